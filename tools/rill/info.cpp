// rill info: what this rill is and runs on.
#include <fmt/format.h>

#include <fstream>
#include <nlohmann/json.hpp>
#include <thread>

#include <rill/core/blas.hpp>
#include <rill/core/isa.hpp>
#include <rill/core/parallel.hpp>
#include <rill/core/version.hpp>
#include <rill/tools/rill/commands.hpp>
#include <rill/tools/rill/output.hpp>

#ifndef RILL_BUILD_FLAGS
#define RILL_BUILD_FLAGS ""
#endif

namespace rill::command {
namespace {

using nlohmann::ordered_json;

std::string compiler() {
#ifdef __clang__
  return __VERSION__;
#else
  return std::string("GCC ") + __VERSION__;
#endif
}

std::string processor() {
  std::ifstream in("/proc/cpuinfo");
  for (std::string line; std::getline(in, line);) {
    const std::size_t colon = line.find(':');
    if (line.starts_with("model name") && colon != std::string::npos && colon + 2 < line.size())
      return line.substr(colon + 2);
  }
  return "unknown";
}

std::vector<std::string> features() {
  std::vector<std::string> names;
#if defined(__x86_64__) || defined(__i386__)
  // The builtin wants a literal.
  if (__builtin_cpu_supports("sse4.2")) names.emplace_back("sse4.2");
  if (__builtin_cpu_supports("avx")) names.emplace_back("avx");
  if (__builtin_cpu_supports("avx2")) names.emplace_back("avx2");
  if (__builtin_cpu_supports("fma")) names.emplace_back("fma");
  if (__builtin_cpu_supports("avx512f")) names.emplace_back("avx512f");
#endif
  return names;
}

constexpr bool has_onnx() {
#ifdef RILL_HAVE_ONNX
  return true;
#else
  return false;
#endif
}

ordered_json facts() {
  return {{"version", version()},
          {"compiler", compiler()},
          {"flags", RILL_BUILD_FLAGS},
          {"blas", blas::description()},
          {"blas_advice", blas::advice()},
          {"threads", num_threads()},
          {"cores", std::thread::hardware_concurrency()},
          {"cpu", processor()},
          {"cpu_features", features()},
          {"kernels", isa_name(isa())},
          {"onnx", has_onnx()}};
}

int inform(bool json) {
  const ordered_json all = facts();
  if (json) {
    print_json(all);
    return done;
  }
  std::string words;
  for (const auto& feature : all["cpu_features"])
    words += (words.empty() ? "" : " ") + feature.get<std::string>();
  const auto text = [&](const char* key) { return all[key].get<std::string>(); };
  out(fmt::format("rill {}\ncompiler      {}\n", text("version"), text("compiler")));
  if (!text("flags").empty()) out(fmt::format("flags         {}\n", text("flags")));
  out(fmt::format("BLAS          {}\n", text("blas")));
  if (!text("blas_advice").empty()) out(fmt::format("              {}\n", text("blas_advice")));
  out(
      fmt::format("threads       {} of {} cores\nCPU           {}\nCPU features  {}\nkernels       "
                  "{}\nONNX export   {}\n",
                  all["threads"].get<int>(), all["cores"].get<unsigned>(), text("cpu"), words,
                  text("kernels"), has_onnx() ? "yes" : "no"));
  return done;
}

}  // namespace

void add_info(Program& program) {
  auto json = std::make_shared<bool>(false);
  CLI::App* app =
      program.add({.name = "info",
                   .summary = "This rill's version and build, BLAS, threads and CPU",
                   .text = "What a bug report or a measurement should say.",
                   .examples = {{"rill info", "for people"}, {"rill info --json", "for programs"}},
                   .reads = "nothing",
                   .writes = "nothing"});
  app->add_flag("--json", *json, "print JSON");
  program.does([json] { return inform(*json); });
}

}  // namespace rill::command
