#include "prelu.h"

#define ORT_API_MANUAL_INIT
#include <onnxruntime_cxx_api.h>

#include <algorithm>
#include <map>
#include <stdexcept>

#include "onnx_graph.h"
#include "simd.h"

namespace facelatch {
namespace {

const char* const ownDomain = "facelatch";
const char* const blockedDomain = "com.microsoft.nchwc";
const char* const probeName = "facelatch.layout";
const char* const probed = "facelatch.layout.blocked";
/// A multiple of every block in use (4, 8, 16).
constexpr int64_t probeChannels = 64;

/// The pragmas: `to` is `from` or does not touch it, and the compiler would take the first for an overlap.
FACELATCH_SIMD void plane(const float* from, float* to, size_t size, float slope) {
#pragma GCC ivdep
  for (size_t i = 0; i < size; ++i) to[i] = std::max(from[i], 0.f) + slope * std::min(from[i], 0.f);
}

/// `Block` channels of one picture, interleaved.
template <size_t Block>
inline void interleaved(const float* from, float* to, size_t pixels, const float* slopes) {
  float of[Block];
  std::copy_n(slopes, Block, of);
  for (size_t i = 0; i < pixels * Block; i += Block) {
#pragma GCC ivdep
    for (size_t lane = 0; lane < Block; ++lane) {
      to[i + lane] = std::max(from[i + lane], 0.f) + of[lane] * std::min(from[i + lane], 0.f);
    }
  }
}

FACELATCH_SIMD void blocked(const float* from, float* to, size_t pixels, size_t block, const float* slopes) {
  if (block == 16) return interleaved<16>(from, to, pixels, slopes);
  if (block == 8) return interleaved<8>(from, to, pixels, slopes);
  if (block == 4) return interleaved<4>(from, to, pixels, slopes);
  for (size_t i = 0; i < pixels * block; ++i) {
    to[i] = std::max(from[i], 0.f) + slopes[i % block] * std::min(from[i], 0.f);
  }
}

struct Job {
  const float* from;
  float* to;
  /// Of all channels, those included that only fill up the last block.
  const float* slopes;
  size_t channels;
  size_t pixels;
  size_t block;
};

struct PReluKernel {
  void Compute(OrtKernelContext* given) {
    const Ort::KernelContext context(given);
    const Ort::ConstValue input = context.GetInput(0), slope = context.GetInput(1);
    const std::vector<int64_t> shape = input.GetTensorTypeAndShapeInfo().GetShape();
    const size_t count = slope.GetTensorTypeAndShapeInfo().GetElementCount();
    const auto channels = static_cast<size_t>(shape.at(shape.size() - 3));
    if (channels < count) ORT_CXX_API_THROW("PRelu has more slopes than channels", ORT_INVALID_GRAPH);
    std::vector<float> slopes(channels);
    if (count == 1) {
      std::fill(slopes.begin(), slopes.end(), *slope.GetTensorData<float>());
    } else {
      std::copy_n(slope.GetTensorData<float>(), count, slopes.begin());
    }
    Job job{input.GetTensorData<float>(),
            context.GetOutput(0, shape).GetTensorMutableData<float>(),
            slopes.data(),
            channels,
            static_cast<size_t>(shape.at(shape.size() - 1) * shape.at(shape.size() - 2)),
            1};
    if (context.GetInputCount() > 2) {
      const float* probe = context.GetInput(2).GetTensorData<float>();
      job.block = static_cast<size_t>(std::find(probe, probe + 2 * probeChannels, 1.f) - probe);
    }
    const size_t all = input.GetTensorTypeAndShapeInfo().GetElementCount();
    if (all == 0) return;
    context.ParallelFor(run, all / (job.pixels * job.block), 0, &job);
  }

  static void run(void* given, size_t item) {
    const Job& job = *static_cast<const Job*>(given);
    const size_t at = item * job.pixels * job.block, channel = item * job.block % job.channels;
    if (job.block == 1) return plane(job.from + at, job.to + at, job.pixels, job.slopes[channel]);
    blocked(job.from + at, job.to + at, job.pixels, job.block, job.slopes + channel);
  }
};

/// Inputs: values, slopes, and for values in the blocked order the probe that tells how large the runtime's blocks are.
struct PReluOp : Ort::CustomOpBase<PReluOp, PReluKernel> {
  PReluOp() {
    GetMayInplace = [](int** input, int** output) -> size_t {
      static int first = 0;
      *input = *output = &first;
      return 1;
    };
    ReleaseMayInplace = [](int*, int*) {};
  }
  void* CreateKernel(const OrtApi&, const OrtKernelInfo*) const { return new PReluKernel; }
  const char* GetName() const { return "PRelu"; }
  size_t GetInputTypeCount() const { return 3; }
  ONNXTensorElementDataType GetInputType(size_t) const { return ONNX_TENSOR_ELEMENT_DATA_TYPE_FLOAT; }
  OrtCustomOpInputOutputCharacteristic GetInputCharacteristic(size_t index) const {
    return index == 2 ? INPUT_OUTPUT_OPTIONAL : INPUT_OUTPUT_REQUIRED;
  }
  size_t GetOutputTypeCount() const { return 1; }
  ONNXTensorElementDataType GetOutputType(size_t) const { return ONNX_TENSOR_ELEMENT_DATA_TYPE_FLOAT; }
};

bool isPRelu(const onnx::Node& node) { return node.domain.empty() && node.type == "PRelu"; }

bool isReorder(const onnx::Node& node, const char* type) {
  const auto last = [](const auto& attribute) { return attribute.first == "channels_last" && attribute.second != 0; };
  return node.domain == blockedDomain && node.type == type &&
         std::none_of(node.integers.begin(), node.integers.end(), last);
}

/// One slope a channel of pictures, or one for all: [channels, 1, 1] or [1, 1, 1].
bool isPerChannel(const onnx::Graph& graph, const std::string& slope) {
  return std::any_of(graph.tensors.begin(), graph.tensors.end(), [&slope](const onnx::Tensor& tensor) {
    return tensor.name == slope && tensor.shape.size() == 3 && tensor.shape[1] == 1 && tensor.shape[2] == 1;
  });
}

/// Who makes and who reads each value.
struct Uses {
  explicit Uses(onnx::Graph& graph) {
    for (onnx::Node& node : graph.nodes) {
      for (const std::string& output : node.outputs) maker[output] = &node;
      for (const std::string& input : node.inputs) readers[input].push_back(&node);
    }
    // Nobody may take away what is read from outside.
    for (const std::string& output : graph.outputs) readers[output].push_back(nullptr);
  }

  std::map<std::string, onnx::Node*> maker;
  std::map<std::string, std::vector<onnx::Node*>> readers;
};

/// Takes the node into the blocked order where all around it is in it. The reorders that it makes superfluous lose
/// their outputs. False when it must stay in the usual order.
bool unwrap(onnx::Node& node, Uses& uses) {
  onnx::Node* before = uses.maker[node.inputs[0]];
  const std::vector<onnx::Node*>& after = uses.readers[node.outputs[0]];
  const bool within = before != nullptr && isReorder(*before, "ReorderOutput") &&
                      uses.readers[node.inputs[0]].size() == 1 && !after.empty() &&
                      std::all_of(after.begin(), after.end(), [](const onnx::Node* reader) {
                        return reader != nullptr && isReorder(*reader, "ReorderInput");
                      });
  if (!within) return false;
  node.inputs = {before->inputs[0], node.inputs[1], probed};
  before->outputs.clear();
  const std::string output = after[0]->outputs[0];
  for (onnx::Node* reorder : after) {
    for (onnx::Node* reader : uses.readers[reorder->outputs[0]]) {
      if (reader != nullptr) std::replace(reader->inputs.begin(), reader->inputs.end(), reorder->outputs[0], output);
    }
    reorder->outputs.clear();
  }
  node.outputs = {output};
  uses.maker[output] = &node;
  return true;
}

}  // namespace

bool hasPRelu(std::string_view model) {
  try {
    const onnx::Graph graph(model);
    return std::any_of(graph.nodes.begin(), graph.nodes.end(), isPRelu);
  } catch (const std::runtime_error&) {
    return false;
  }
}

std::optional<std::string> withOwnPRelu(std::string_view optimised) try {
  onnx::Graph graph(optimised);
  Uses uses(graph);
  bool any = false, blocks = false;
  for (onnx::Node& node : graph.nodes) {
    if (!isPRelu(node) || node.inputs.size() != 2 || !isPerChannel(graph, node.inputs[1])) continue;
    node.domain = ownDomain;
    blocks = unwrap(node, uses) || blocks;
    any = true;
  }
  if (!any) return std::nullopt;
  graph.nodes.erase(std::remove_if(graph.nodes.begin(), graph.nodes.end(),
                                   [](const onnx::Node& node) { return node.outputs.empty(); }),
                    graph.nodes.end());
  if (blocks) {
    // Ones in the second of two columns: in the blocked order the first of them stands where the second column begins.
    std::vector<float> columns(2 * probeChannels);
    for (size_t i = 1; i < columns.size(); i += 2) columns[i] = 1;
    graph.addConstant(probeName, {1, probeChannels, 1, 2}, columns);
    graph.nodes.insert(graph.nodes.begin(),
                       {blockedDomain, "ReorderInput", {probeName}, {probed}, {{"channels_last", 0}}});
  }
  graph.addDomain(ownDomain);
  return graph.file();
} catch (const std::runtime_error&) {
  return std::nullopt;
}

OrtCustomOpDomain* preluDomain() {
  static auto& domain = *new Ort::CustomOpDomain(ownDomain);
  static const bool added = [] {
    domain.Add(new PReluOp);
    return true;
  }();
  (void)added;
  return domain;
}

}  // namespace facelatch
