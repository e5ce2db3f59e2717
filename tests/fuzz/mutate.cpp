#include <sys/resource.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <string>

#include "flatenn/base/log.h"
#include "flatenn/base/random.h"
#include "readers.h"

/// mutate READER SECONDS [SEED]: feeds a reader with damaged forms of its good inputs, for
/// compilers without libFuzzer. An input that crashes, throws anything but Error, takes more than
/// 10 s or more than 2 GB ends the program; the input is then in mutate-READER.input.
namespace {

using flatenn::RandomStream;

constexpr unsigned kMostSeconds = 10;
constexpr rlim_t kMostMemory = rlim_t{2} << 30;

/// Numbers at which lengths and counts go wrong.
constexpr uint32_t kEdges[] = {0,      1,      0x7f,       0x80,       0xff,
                               0x7fff, 0xffff, 0x7fffffff, 0x80000000, 0xffffffff};

void damage(std::string& bytes, const std::string& other, RandomStream& random) {
  const auto place = [&](size_t size) { return static_cast<size_t>(random.below(size)); };
  if (bytes.empty()) bytes = other;
  if (bytes.empty()) return;
  const size_t at = place(bytes.size());
  switch (random.below(8)) {
    case 0:
      bytes[at] = static_cast<char>(bytes[at] ^ (1 << random.below(8)));
      break;
    case 1:
      bytes[at] = static_cast<char>(random.below(256));
      break;
    case 2:
      bytes.resize(at);
      break;
    case 3:
      bytes.erase(at, 1 + place(std::min<size_t>(64, bytes.size())));
      break;
    case 4:
      bytes.insert(at, bytes.substr(place(bytes.size()), 1 + place(64)));
      break;
    case 5: {
      const uint32_t edge = kEdges[random.below(std::size(kEdges))];
      const size_t width = std::min<size_t>(bytes.size() - at, size_t{1} << random.below(3));
      std::memcpy(bytes.data() + at, &edge, width);
      break;
    }
    case 6:  // digits of texts
      for (size_t i = at; i < bytes.size(); ++i) {
        if (bytes[i] < '0' || bytes[i] > '9') continue;
        bytes[i] = static_cast<char>('0' + random.below(10));
        break;
      }
      break;
    default:
      if (!other.empty()) bytes.replace(at, std::string::npos, other, place(other.size()));
  }
}

std::string input_file;
std::string input;

extern "C" void keep_input(int signal) {
  if (std::FILE* const file = std::fopen(input_file.c_str(), "wb")) {
    std::fwrite(input.data(), 1, input.size(), file);
    std::fclose(file);
  }
  std::fprintf(stderr, "signal %d; the input is in %s\n", signal, input_file.c_str());
  std::signal(signal, SIG_DFL);
  std::raise(signal);
}

void bound_memory() {
#if !defined(__SANITIZE_ADDRESS__) && !defined(__SANITIZE_THREAD__)
  const rlimit limit{.rlim_cur = kMostMemory, .rlim_max = kMostMemory};
  ::setrlimit(RLIMIT_AS, &limit);
#endif
}

}  // namespace

int main(int argc, char** argv) {
  if (argc < 3) {
    std::fprintf(stderr, "mutate READER SECONDS [SEED]\n");
    return 2;
  }
  const flatenn::fuzz::Reader& reader = flatenn::fuzz::find_reader(argv[1]);
  const double seconds = std::atof(argv[2]);
  RandomStream random(argc > 3 ? std::strtoull(argv[3], nullptr, 10) : 1, 0,
                      flatenn::RandomPurpose::kPilot);
  input_file = std::string("mutate-") + reader.name + ".input";
  for (const int signal : {SIGSEGV, SIGABRT, SIGALRM, SIGFPE, SIGBUS}) {
    std::signal(signal, keep_input);
  }
  flatenn::log::set_up(flatenn::log::Level::kOff);
  const std::vector<std::string> seeds = reader.seeds();
  for (const std::string& seed : seeds) reader.read(seed);  // an Error here is a fault of the seed
  bound_memory();
  const auto start = std::chrono::steady_clock::now();
  int64_t inputs = 0;
  for (; std::chrono::steady_clock::now() - start < std::chrono::duration<double>(seconds);
       ++inputs) {
    input = seeds[random.below(seeds.size())];
    const std::string& other = seeds[random.below(seeds.size())];
    for (uint64_t left = 1 + random.below(4); left > 0; --left) damage(input, other, random);
    ::alarm(kMostSeconds);
    flatenn::fuzz::read_one(reader, input);
    ::alarm(0);
  }
  std::printf("%s: %lld inputs\n", reader.name, static_cast<long long>(inputs));
  return 0;
}
