#include <cstdio>
#include <cstdlib>
#include <exception>

#include "check.h"

using namespace facelatch::check;

namespace {

const char* const usage =
    "usage: facelatch-engine-check COMMAND MODELS PLANS ...\n"
    "  parity MODELS PLANS PICTURES [PAIRS]  CPU against TensorRT, FP32 and FP16, over a folder of .ppm files\n"
    "  timing MODELS PLANS PICTURES FRAMES   640x480 with one face and with eight, by stage\n"
    "  growth MODELS PLANS PICTURES FRAMES   memory of process and device over that many frames\n"
    "  faults MODELS PLANS [FULL [ORPHAN]]   plans that are cut, bent or foreign; FULL: a folder on a full disk;\n"
    "                                        ORPHAN: a copy of the module whose libraries cannot be found\n"
    "MODELS is models/built, PLANS a folder for plans. Exit code 1 when a check failed.\n";

}  // namespace

int main(int count, char** words) {
  const auto word = [&](int index) { return index < count ? std::string(words[index]) : std::string(); };
  const Setup setup{word(2), word(3)};
  try {
    int failed = -1;
    if (word(1) == "parity" && count > 4) failed = parity(setup, word(4), word(5));
    if (word(1) == "timing" && count > 5) failed = timing(setup, word(4), std::atoi(words[5]));
    if (word(1) == "growth" && count > 5) failed = growth(setup, word(4), std::atoi(words[5]));
    if (word(1) == "faults" && count > 3) failed = faults(setup, word(4), word(5));
    if (failed < 0) {
      std::fputs(usage, stderr);
      return 2;
    }
    std::printf("%s: %d failed\n", words[1], failed);
    return failed == 0 ? 0 : 1;
  } catch (const std::exception& error) {
    std::fprintf(stderr, "facelatch-engine-check: %s\n", error.what());
    return 1;
  }
}
