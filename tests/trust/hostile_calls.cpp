// F6: what hostile files make the rill command do, as the kernel sees it. Each command runs traced: no file is opened but
// those that were given (and what every program here opens to start), nothing is executed, no process is started, and no
// network is asked for. By ptrace, as a debugger would: calls inside of libraries are seen as well.
#include <fcntl.h>
#include <sys/ptrace.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <csignal>
#include <set>
#include <stdexcept>
#include <string>
#include <vector>

#include <fmt/format.h>

#include <rill/core/create.hpp>
#include <rill/core/io/safetensors.hpp>
#include <rill/nn/layers.hpp>
#include <rill/nn/model.hpp>

#include "../temp_dir.hpp"
#include "checks.hpp"

namespace rill::trust {
namespace {

/// What a program asked the kernel for.
struct Calls {
  std::vector<std::string> opened;
  std::uint64_t executed = 0, started = 0, network = 0;
  int status = -1;
};

/// A text in another process, up to its zero byte.
std::string text_at(::pid_t pid, std::uint64_t address) {
  std::string text;
  for (char piece[64]; text.size() < 4096;) {
    const std::size_t count = sizeof piece - address % sizeof piece;  // inside of a page
    const ::iovec here{piece, count}, there{reinterpret_cast<void*>(address), count};
    const ::ssize_t got = ::process_vm_readv(pid, &here, 1, &there, 1, 0);
    if (got <= 0) break;
    const std::string_view part(piece, static_cast<std::size_t>(got));
    text += part.substr(0, part.find('\0'));
    if (part.find('\0') != std::string_view::npos) break;
    address += part.size();
  }
  return text;
}

void note_call(::pid_t pid, Calls& calls) {
  struct ::__ptrace_syscall_info info {};
  if (::ptrace(PTRACE_GET_SYSCALL_INFO, pid, sizeof info, &info) <= 0 || info.op != PTRACE_SYSCALL_INFO_ENTRY)
    return;
  switch (info.entry.nr) {
#ifdef SYS_open
    case SYS_open:
    case SYS_creat:
      calls.opened.push_back(text_at(pid, info.entry.args[0]));
      break;
#endif
    case SYS_openat:
#ifdef SYS_openat2
    case SYS_openat2:
#endif
      calls.opened.push_back(text_at(pid, info.entry.args[1]));
      break;
    case SYS_execve:
    case SYS_execveat:
      ++calls.executed;
      break;
    case SYS_socket:
    case SYS_connect:
    case SYS_bind:
      ++calls.network;
      break;
    default:
      break;
  }
}

/// Runs a program to its end, its output thrown away.
Calls trace(const std::vector<std::string>& words) {
  std::vector<char*> argv;
  for (const std::string& word : words) argv.push_back(const_cast<char*>(word.c_str()));
  argv.push_back(nullptr);
  const ::pid_t child = ::fork();
  if (child < 0) throw std::runtime_error("trace: fork failed");
  if (child == 0) {
    const int nowhere = ::open("/dev/null", O_WRONLY);
    ::dup2(nowhere, STDOUT_FILENO);
    ::dup2(nowhere, STDERR_FILENO);
    ::ptrace(PTRACE_TRACEME, 0, nullptr, nullptr);
    ::raise(SIGSTOP);
    ::execv(argv[0], argv.data());
    ::_exit(127);
  }
  int status = 0;
  ::waitpid(child, &status, 0);
  constexpr long options = PTRACE_O_TRACESYSGOOD | PTRACE_O_TRACECLONE | PTRACE_O_TRACEFORK |
                           PTRACE_O_TRACEVFORK | PTRACE_O_EXITKILL;
  if (!WIFSTOPPED(status) || ::ptrace(PTRACE_SETOPTIONS, child, nullptr, options) != 0)
    throw std::runtime_error("trace: ptrace is not allowed here, expected it");
  ::ptrace(PTRACE_SYSCALL, child, nullptr, nullptr);
  Calls calls;
  while (true) {
    const ::pid_t pid = ::waitpid(-1, &status, __WALL);
    if (pid < 0) return calls;
    if (!WIFSTOPPED(status)) {
      if (pid == child) calls.status = WIFEXITED(status) ? WEXITSTATUS(status) : -1;
      continue;
    }
    const int event = status >> 16, signal = WSTOPSIG(status);
    if (signal == (SIGTRAP | 0x80)) note_call(pid, calls);
    calls.started += event == PTRACE_EVENT_FORK || event == PTRACE_EVENT_VFORK;
    const bool ours = signal == (SIGTRAP | 0x80) || signal == SIGTRAP || signal == SIGSTOP;
    ::ptrace(PTRACE_SYSCALL, pid, nullptr, ours ? 0 : signal);
  }
}

// --- the files -------------------------------------------------------------------------------------------------------

constexpr const char* secret = "/etc/passwd";

std::string keras(const std::string& layer) {
  return R"({"class_name":"Sequential","config":{"name":"../../n","layers":[)"
         R"({"class_name":"InputLayer","config":{"batch_input_shape":[null,2]}},)" +
         layer + "]}}";
}

std::string tfjs(const std::string& path) {
  return R"({"format":"layers-model","modelTopology":)" +
         keras(R"({"class_name":"Dense","config":{"name":"d","units":1}})") +
         R"(,"weightsManifest":[{"paths":[")" + path +
         R"("],"weights":[{"name":"d/kernel","shape":[2,1],"dtype":"float32"},)"
         R"({"name":"d/bias","shape":[1],"dtype":"float32"}]}]})";
}

/// A command, what it gets as arguments, and what it may open beside them: names in the folder.
struct Case {
  std::vector<std::string> words;
  std::vector<std::string> also = {};
};

void write_models(const test::TempDir& folder) {
  Generator generator(1);
  nn::Model model(nn::Sequential{nn::Dense(2, 1, generator)}, {2});
  model.classes = {"$(touch owned)"};
  model.features = {"../../x", secret};
  model.target = "`reboot`";
  nn::save_model(model, folder.file("saved"));
  io::save_safetensors(folder.file("names"),
                       {{{secret, ones({1})}, {"../../outside", ones({1})}}, {{"x", secret}}});
  const std::string begin = R"({"rill":1,"$schema":"http://127.0.0.1/x","$comment":"/etc/shadow",)";
  folder.write("model.json", begin + R"("input_shape":[2],"layers":["relu"]})");
  folder.write("bad.json", begin + R"("input_shape":[2],"layers":["/etc/passwd"],"include":"/etc/passwd"})");
  folder.write("run.json", begin + R"("model":"model.json","data":{"format":"csv","path":"/etc/passwd"},)"
                                   R"("loss":"mse","optimizer":"sgd","out":"/etc/owned"})");
  folder.write("lambda.json",
               keras(R"({"class_name":"Lambda","config":{"function":["4wEAAAAAAAAA",null,null]}})"));
  folder.write("module.json", keras(R"({"class_name":"Dense","module":"os","registered_name":"system",)"
                                    R"("config":{"name":"d","units":1,"activation":"os>system"}})"));
  int number = 0;
  for (const char* path :
       {secret, "../secret", "file:///etc/passwd", "http://127.0.0.1/w.bin", "|id", "~/.netrc", "*"})
    folder.write("tfjs" + std::to_string(number++) + ".json", tfjs(path));
  folder.write("tfjs.json", tfjs("w.bin"));
  folder.write("w.bin", std::string(12, '\0'));
}

void write_tables(const test::TempDir& folder) {
  folder.write("good.csv", "1,2\n3,4\n");
  folder.write("bad.csv", "=cmd|'/C calc'!A0,@/etc/passwd\n|id,$(id)\n");
  folder.write("pickle.npy", std::string("\x93NUMPY\x01\0\x46\0", 10) +
                                 "{'descr': '|O', 'fortran_order': False, 'shape': (1,), }            \n" +
                                 "\x80\x04\x95"
                                 "cposix\nsystem\n");
  folder.write("pickle.pt",
               "\x80\x02"
               "cposix\nsystem\n(S'touch owned'\ntR.");
}

std::vector<Case> cases(const test::TempDir& folder) {
  const auto in = [&](const char* name) { return folder.file(name); };
  std::vector<Case> all;
  for (const char* command : {"check", "summary"}) {
    for (const char* name : {"saved", "names", "model.json", "bad.json", "lambda.json", "module.json",
                             "pickle.pt", "pickle.npy", "good.csv", "tfjs0.json", "tfjs1.json", "tfjs2.json",
                             "tfjs3.json", "tfjs4.json", "tfjs5.json", "tfjs6.json"})
      all.push_back({{command, in(name)}});
    all.push_back({{command, in("tfjs.json")}, {"w.bin"}});
  }
  all.push_back({{"check", in("run.json")}, {"model.json"}});
  for (const char* input : {"good.csv", "bad.csv", "pickle.npy", "pickle.pt", "lambda.json"})
    all.push_back({{"predict", in("saved"), "--input", in(input), "--output", in("out.csv"), "--labels"}});
  all.push_back({{"convert", in("tfjs0.json"), in("out.safetensors")}});
  all.push_back({{"convert", in("tfjs.json"), in("out.safetensors")}, {"w.bin"}});
  all.push_back({{"eval", in("saved"), "--csv", in("bad.csv")}});
  all.push_back({{"doctor", in("names"), "--csv", in("bad.csv")}});
  return all;
}

/// What every program here opens to start: libraries, and what they ask of the machine.
bool is_of_the_system(const std::string& path) {
  for (const char* prefix :
       {"/lib", "/usr/lib", "/etc/ld.so.", "/proc/self/", "/proc/cpuinfo", "/proc/meminfo", "/proc/stat",
        "/sys/devices/system/", "/sys/fs/cgroup", "/dev/null"}) {
    if (path.starts_with(prefix)) return true;
  }
  return false;
}

/// Whether the tracer sees what a program does that does it all.
bool sees_a_shell() {
  const Calls calls = trace({"/bin/sh", "-c", "/bin/cat /etc/hosts; exit 3"});
  return calls.executed >= 2 && calls.started >= 1 && calls.status == 3 &&
         std::find(calls.opened.begin(), calls.opened.end(), "/etc/hosts") != calls.opened.end();
}

}  // namespace

void check_hostile_calls(const Scale& scale, Report& report) {
  report.begin("F6");
  const test::TempDir folder;
  write_models(folder);
  write_tables(folder);
  const std::vector<std::string> before = folder.names();
  std::uint64_t runs = 0, opened = 0, outside = 0, executed = 0, started = 0, network = 0, crashed = 0;
  for (const Case& each : cases(folder)) {
    std::vector<std::string> words{scale.rill};
    words.insert(words.end(), each.words.begin(), each.words.end());
    std::set<std::string> given(words.begin(), words.end());
    for (const std::string& name : each.also) given.insert(folder.file(name));
    // Results are written beside their place, and the folder is synced.
    given.insert({folder.path(), ".out.csv.tmp", ".out.safetensors.tmp"});
    const Calls calls = trace(words);
    ++runs;
    crashed += calls.status < 0 || calls.status > 2;
    for (const std::string& path : calls.opened) {
      if (is_of_the_system(path)) continue;
      ++opened;
      if (given.contains(path)) continue;
      if (outside++ < 5) report.detail(fmt::format("{} {} opens {}", words[1], words[2], path));
    }
    executed += calls.executed - 1;
    started += calls.started;
    network += calls.network;
  }
  std::vector<std::string> after = before;
  for (const char* name : {"out.csv", "out.safetensors"}) after.push_back(name);
  std::uint64_t new_files = 0;
  for (const std::string& name : folder.names())
    new_files += std::find(after.begin(), after.end(), name) == after.end();
  report.exactly("a shell that starts a program which opens a file, seen", sees_a_shell(), 1);
  report.at_least("commands that read hostile files, traced", runs, 40);
  report.at_least("files that they opened", opened, runs);
  report.exactly("of these not given to them", outside, 0);
  report.exactly("programs executed", executed, 0);
  report.exactly("processes started", started, 0);
  report.exactly("calls for the network", network, 0);
  report.exactly("crashes, and exit codes that there are not", crashed, 0);
  report.exactly("files in their folder that none of them was to write", new_files, 0);
}

}  // namespace rill::trust
