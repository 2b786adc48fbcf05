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
    "MODELS is models/built, PLANS a folder for plans. Exit code 1 when a check failed.\n"
    "--embedder=dlib-resnet|mobilefacenet-192, --detector=mtcnn|yunet, --liveness: which nets (mobilefacenet-192 and "
    "mtcnn); --nv12: pictures as a Jetson's camera gives them\n";

}  // namespace

int main(int argc, char** argv) {
  Setup setup;
  std::vector<std::string> words;
  for (const std::string& given : std::vector<std::string>(argv, argv + argc)) {
    const size_t equals = given.find('=');
    const std::string name = given.substr(0, equals), value = equals < given.size() ? given.substr(equals + 1) : "";
    if (name == "--embedder") {
      setup.embedder = value;
    } else if (name == "--detector") {
      setup.detector = value;
    } else if (name == "--liveness") {
      setup.liveness = true;
    } else if (name == "--nv12") {
      setup.nv12 = true;
    } else {
      words.push_back(given);
    }
  }
  const size_t count = words.size();
  const auto word = [&](size_t index) { return index < count ? words[index] : std::string(); };
  setup.models = word(2);
  setup.plans = word(3);
  try {
    int failed = -1;
    if (word(1) == "parity" && count > 4) failed = parity(setup, word(4), word(5));
    if (word(1) == "timing" && count > 5) failed = timing(setup, word(4), std::atoi(words[5].c_str()));
    if (word(1) == "growth" && count > 5) failed = growth(setup, word(4), std::atoi(words[5].c_str()));
    if (word(1) == "faults" && count > 3) failed = faults(setup, word(4), word(5));
    if (failed < 0) {
      std::fputs(usage, stderr);
      return 2;
    }
    std::printf("%s: %d failed\n", words[1].c_str(), failed);
    return failed == 0 ? 0 : 1;
  } catch (const std::exception& error) {
    std::fprintf(stderr, "facelatch-engine-check: %s\n", error.what());
    return 1;
  }
}
