#include <unistd.h>

#include <cstdlib>
#include <fstream>

#include "check.h"
#include "error.h"
#include "recognizer.h"

using namespace facelatch;

namespace {

const std::string models = TEST_MODELS;

RecognizerOptions options(EngineChoice engine, const std::string& module) {
  RecognizerOptions options{};
  options.detector = {models + "/mtcnn-pnet.onnx",
                      models + "/mtcnn-rnet.onnx",
                      models + "/mtcnn-onet.onnx",
                      40,
                      16,
                      {0.6f, 0.7f, 0.7f},
                      0.709};
  options.landmarks = models + "/mtcnn-onet.onnx";
  options.embedder = {models + "/dlib-resnet.onnx", 150, 150, {{0, 0, 0}, {1, 1, 1}, false}, {}, 128};
  options.threads = 1;
  options.engine = engine;
  options.tensorrt.module = module;
  return options;
}

bool contains(const std::string& text, const std::string& part) { return text.find(part) != std::string::npos; }

std::string refusal(const RecognizerOptions& options) {
  try {
    const Recognizer recognizer(options);
  } catch (const Error& error) {
    return error.what();
  }
  return "";
}

void aModelThatCannotBeBuilt() {
  const Recognizer recognizer(options(EngineChoice::automatic, TEST_MODULE));
  CHECK(contains(recognizer.engine(), "ONNX Runtime"));
  CHECK(contains(recognizer.fallback(), "layer Conv_1"));
  CHECK(contains(refusal(options(EngineChoice::tensorrt, TEST_MODULE)), "layer Conv_1"));
}

void aModuleThatIsNoLibrary() {
  char path[] = "/tmp/facelatch-module-XXXXXX";
  const int file = mkstemp(path);
  CHECK(file >= 0);
  close(file);
  std::ofstream(path) << "not a library";
  const Recognizer recognizer(options(EngineChoice::automatic, path));
  CHECK(contains(recognizer.engine(), "ONNX Runtime"));
  CHECK(contains(recognizer.fallback(), "cannot load TensorRT"));
  unlink(path);
}

void aLibraryThatIsNoModule() {
  CHECK(contains(refusal(options(EngineChoice::tensorrt, "/lib/x86_64-linux-gnu/libm.so.6")), "version of facelatch") ||
        contains(refusal(options(EngineChoice::tensorrt, "/lib/x86_64-linux-gnu/libm.so.6")), "is missing"));
}

void noModuleAtAll() {
  CHECK(contains(refusal(options(EngineChoice::tensorrt, "/nowhere/module.so")), "this build has no TensorRT"));
  const Recognizer cpu(options(EngineChoice::onnxruntime, TEST_MODULE));
  CHECK(cpu.fallback().empty());
  CHECK(cpu.notes().empty());
}

}  // namespace

int main() { return runAll(aModelThatCannotBeBuilt, aModuleThatIsNoLibrary, aLibraryThatIsNoModule, noModuleAtAll); }
