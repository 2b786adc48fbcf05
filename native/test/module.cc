// A module that stands for TensorRT in tests: it starts, and then cannot make any plan.
#include "engine_module.h"
#include "error.h"

namespace {

class Failing : public facelatch::EngineFactory {
 public:
  std::unique_ptr<facelatch::Engine> load(const std::string& path, const facelatch::ModelSpec&) override {
    throw facelatch::Error(facelatch::Code::modelLoad,
                           "TensorRT cannot use model " + path + ": out of memory in layer Conv_1");
  }
  std::string description() const override { return "a stand-in"; }
};

}  // namespace

extern "C" __attribute__((visibility("default"))) void FACELATCH_TENSORRT_ENTRY(
    const facelatch::TensorRtOptions&, std::shared_ptr<facelatch::EngineFactory>& factory) {
  factory = std::make_shared<Failing>();
}
