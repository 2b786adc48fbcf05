#include <cstdio>
#include <filesystem>
#include <fstream>
#include <iterator>

#include "check.h"

namespace facelatch::check {
namespace fs = std::filesystem;
namespace {

int failed;

void expect(bool holds, const std::string& what) {
  std::printf("%s: %s\n", holds ? "holds" : "FAILS", what.c_str());
  std::fflush(stdout);
  failed += holds ? 0 : 1;
}

size_t count(const Recognizer& recognizer, const std::string& part) {
  size_t found = 0;
  for (const std::string& note : recognizer.notes()) found += note.find(part) != std::string::npos;
  return found;
}

fs::path planOf(const std::string& folder, const std::string& stem) {
  for (const auto& entry : fs::directory_iterator(folder)) {
    if (entry.path().filename().string().rfind(stem, 0) == 0) return entry.path();
  }
  return {};
}

void change(const fs::path& file, const std::string& from, const std::string& to) {
  std::ifstream in(file, std::ios::binary);
  std::string bytes{std::istreambuf_iterator<char>(in), std::istreambuf_iterator<char>()};
  const size_t at = bytes.find(from);
  if (at != std::string::npos) bytes.replace(at, from.size(), to);
  std::ofstream(file, std::ios::binary) << bytes;
}

}  // namespace

int faults(const Setup& given, const std::string& full, const std::string& orphan) {
  failed = 0;
  Setup setup = given;
  setup.plans += "/faults";
  fs::remove_all(setup.plans);
  // MTCNN's three, O-Net once more for settling landmarks, and the embedder's.
  constexpr size_t plans = 5;
  const auto automatic = [](const Setup& with) { return options(with, EngineChoice::automatic, Precision::fp16); };
  const auto usesTensorRt = [](const Recognizer& recognizer) { return recognizer.engine().rfind("TensorRT", 0) == 0; };

  expect(count(*load(automatic(setup)), "plan built") == plans, "an empty cache: every plan is built");
  expect(count(*load(automatic(setup)), "plan loaded") == plans, "the second start loads them all");

  const fs::path pnet = planOf(setup.plans, "mtcnn-pnet"), rnet = planOf(setup.plans, "mtcnn-rnet");
  fs::resize_file(pnet, fs::file_size(pnet) / 2);
  {
    const auto recognizer = load(automatic(setup));
    expect(usesTensorRt(*recognizer) && count(*recognizer, "plan built") == 1, "a truncated plan is built again");
  }
  fs::copy_file(rnet, pnet, fs::copy_options::overwrite_existing);
  expect(count(*load(automatic(setup)), "plan built") == 1, "another model's plan under its name is built again");
  change(pnet, "runtime=", "runtime=7.");
  expect(count(*load(automatic(setup)), "plan built") == 1, "another version's plan is built again");
  change(pnet, "capability=", "capability=8.7 was ");
  expect(count(*load(automatic(setup)), "plan built") == 1, "another GPU's plan is built again");
  expect(count(*load(automatic(setup)), "plan loaded") == plans, "after that all load");

  if (!full.empty()) {
    Setup filled = given;
    filled.plans = full;
    const auto recognizer = load(automatic(filled));
    expect(usesTensorRt(*recognizer) && count(*recognizer, "cannot be kept") > 0,
           "a full disk: TensorRT runs, and what could not be kept is told");
  }
  if (!orphan.empty()) {
    RecognizerOptions lost = automatic(setup);
    lost.tensorrt.module = orphan;
    const auto recognizer = load(lost);
    expect(!usesTensorRt(*recognizer) && !recognizer->fallback().empty(),
           "a missing library: the CPU takes over, and why is told");
  }
  RecognizerOptions broken = automatic(setup);
  const std::string file = given.plans + "/broken.onnx";
  std::ofstream(file, std::ios::binary) << "this is no network";
  broken.embedder.path = file;
  broken.engine = EngineChoice::tensorrt;
  try {
    load(broken);
    expect(false, "a model that cannot be parsed is refused");
  } catch (const std::exception& error) {
    std::printf("  %s\n", error.what());
    expect(true, "a model that cannot be parsed is refused");
  }
  return failed;
}

}  // namespace facelatch::check
