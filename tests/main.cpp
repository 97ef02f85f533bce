// The test program. Its last line is `N passed, N failed` (`, N skipped` where some were).
#define DOCTEST_CONFIG_IMPLEMENT
#include <doctest/doctest.h>

#include <cstdio>
#include <string>

#include "skip.hpp"

namespace {

int skipped = 0;
int failed = 0;
int run = 0;
bool this_case_skipped = false;
const char* this_case = "";

// Counts test cases beside doctest's own reporter.
struct Counter final : doctest::IReporter {
  explicit Counter(const doctest::ContextOptions&) {}
  void report_query(const doctest::QueryData&) override {}
  void test_run_start() override {}
  void test_run_end(const doctest::TestRunStats&) override {}
  void test_case_start(const doctest::TestCaseData& data) override {
    this_case = data.m_name;
    this_case_skipped = false;
    ++run;
  }
  void test_case_reenter(const doctest::TestCaseData&) override {}
  void test_case_end(const doctest::CurrentTestCaseStats& stats) override {
    failed += !stats.testCaseSuccess;
    skipped += stats.testCaseSuccess && this_case_skipped;
  }
  void test_case_exception(const doctest::TestCaseException&) override {}
  void subcase_start(const doctest::SubcaseSignature&) override {}
  void subcase_end() override {}
  void log_assert(const doctest::AssertData&) override {}
  void log_message(const doctest::MessageData&) override {}
  void test_case_skipped(const doctest::TestCaseData&) override {}
};

}  // namespace

REGISTER_LISTENER("count", 1, Counter);

void rill::test::skip(const std::string& reason) {
  this_case_skipped = true;
  std::printf("skipped: %s: %s\n", this_case, reason.c_str());
}

int main(int argc, char** argv) {
  doctest::Context context(argc, argv);
  const int status = context.run();
  if (context.shouldExit()) return status;
  std::printf("%d passed, %d failed", run - failed - skipped, failed);
  if (skipped > 0) std::printf(", %d skipped", skipped);
  std::printf("\n");
  // A filter that matches nothing is a mistake, not a success.
  return status != 0 || run == 0;
}
