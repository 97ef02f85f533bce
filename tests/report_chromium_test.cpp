// A report of a run in a browser: headless Chromium draws it, finds all its parts, reports nothing and loads nothing.
#include <cstdlib>
#include <filesystem>
#include <sstream>

#include <doctest/doctest.h>

#include <rill/rill.hpp>

#include "run_reports.hpp"
#include "skip.hpp"
#include "subprocess.hpp"
#include "temp_dir.hpp"

using namespace rill;

namespace {

std::string find_browser() {
  const char* path = std::getenv("PATH");
  for (const char* name : {"chromium", "chromium-browser", "google-chrome"}) {
    std::stringstream folders(path ? path : "");
    for (std::string folder; std::getline(folders, folder, ':');) {
      if (std::filesystem::exists(folder + "/" + name)) return folder + "/" + name;
    }
  }
  return "";
}

// Runs the browser on `page` in a profile of its own, with a network in which every name leads nowhere.
test::Outcome browse(const test::TempDir& folder, const std::string& page,
                     std::vector<std::string> arguments) {
  const std::vector<std::string> always = {"--headless",
                                           "--no-sandbox",
                                           "--disable-gpu",
                                           "--disable-dev-shm-usage",
                                           "--disable-background-networking",
                                           "--disable-component-update",
                                           "--no-first-run",
                                           "--hide-scrollbars",
                                           "--host-resolver-rules=MAP * ~NOTFOUND",
                                           "--virtual-time-budget=2000",
                                           "--enable-logging=stderr",
                                           "--user-data-dir=" + folder.file("profile")};
  arguments.insert(arguments.begin(), always.begin(), always.end());
  arguments.push_back("file://" + folder.file(page));
  return test::run_program(find_browser(), arguments, {{"HOME", folder.path()}});
}

}  // namespace

TEST_CASE("report in Chromium: all parts are in the document, and it has no error and no request") {
  if (find_browser().empty()) return test::skip("chromium is not installed");
  const test::TempDir folder;
  optim::RunReport report = test::full_report();
  report.classes[0] = "<script>console.error('script ran')</script><img src=\"http://example.org/x.png\">";
  write_report(folder.file("report.html"), report);
  const std::string log = folder.file("net.json");
  const auto outcome = browse(folder, "report.html", {"--dump-dom", "--log-net-log=" + log});
  REQUIRE(outcome.status == 0);
  for (const std::string heading : {"<h1>digits</h1>", "<h2>What to look at</h2>", "<h2>Training</h2>",
                                    "<h3>Loss</h3>", "<h2>Confusions</h2>", "<h2>Misclassified samples</h2>",
                                    "<h2>Neuron health</h2>", "<h2>Model</h2>", "<h2>Configuration</h2>"})
    CHECK_MESSAGE(outcome.says(heading), heading);
  CHECK_FALSE(outcome.says("CONSOLE"));
  CHECK_FALSE(outcome.says("Content Security Policy:"));
  CHECK_FALSE(outcome.says("<script"));
  const std::string requests = folder.read("net.json");
  CHECK(requests.find("constants") != std::string::npos);
  CHECK(requests.find("example.org") == std::string::npos);
}

TEST_CASE("report in Chromium: this test sees errors and requests of a page that has them") {
  if (find_browser().empty()) return test::skip("chromium is not installed");
  const test::TempDir folder;
  folder.write("bad.html",
               "<script>console.error('script ran')</script><img src=\"http://example.org/x.png\">");
  const auto outcome = browse(folder, "bad.html", {"--dump-dom", "--log-net-log=" + folder.file("net.json")});
  CHECK(outcome.says("CONSOLE"));
  CHECK(folder.read("net.json").find("example.org") != std::string::npos);
}

TEST_CASE("report in Chromium: a picture of it is drawn at the width of a phone") {
  if (find_browser().empty()) return test::skip("chromium is not installed");
  const test::TempDir folder;
  write_report(folder.file("report.html"), test::full_report());
  const auto outcome =
      browse(folder, "report.html", {"--window-size=400,3000", "--screenshot=" + folder.file("shot.png")});
  REQUIRE(outcome.status == 0);
  const std::string png = folder.read("shot.png");
  CHECK(png.substr(1, 3) == "PNG");
  // An empty page of that size takes 10 kB.
  CHECK(png.size() > 40000);
}
