#include "prelu.h"

#define ORT_API_MANUAL_INIT
#include <onnxruntime_cxx_api.h>
#include <unistd.h>

#include <algorithm>
#include <cstdio>
#include <fstream>
#include <random>
#include <sstream>

#include "check.h"
#include "engine.h"
#include "onnx_graph.h"

using namespace facelatch;

namespace {

std::string models(const std::string& name) { return std::string(TEST_MODELS) + "/" + name; }

std::string contentOf(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  std::stringstream content;
  content << file.rdbuf();
  return content.str();
}

std::vector<float> noise(size_t size) {
  std::mt19937 random(7);
  std::uniform_real_distribution<float> value(-1, 1);
  std::vector<float> values(size);
  for (float& each : values) each = value(random);
  return values;
}

/// The runtime's own answer, nothing exchanged and nothing optimised.
std::vector<std::vector<float>> plain(const std::string& path, Tensor& input, const std::vector<const char*>& outputs) {
  static const Ort::Env env(ORT_LOGGING_LEVEL_FATAL, "test");
  Ort::SessionOptions options;
  options.SetGraphOptimizationLevel(ORT_DISABLE_ALL);
  Ort::Session session(env, path.c_str(), options);
  const Ort::MemoryInfo memory = Ort::MemoryInfo::CreateCpu(OrtArenaAllocator, OrtMemTypeDefault);
  const Ort::Value value = Ort::Value::CreateTensor<float>(memory, input.values.data(), input.values.size(),
                                                           input.shape.data(), input.shape.size());
  const char* name = "input";
  std::vector<std::vector<float>> answers;
  for (const Ort::Value& answer :
       session.Run(Ort::RunOptions{nullptr}, &name, &value, 1, outputs.data(), outputs.size())) {
    const float* data = answer.GetTensorData<float>();
    answers.emplace_back(data, data + answer.GetTensorTypeAndShapeInfo().GetElementCount());
  }
  return answers;
}

void sameAnswer(const std::string& path, const ModelSpec& spec, const std::vector<int64_t>& shape) {
  const std::shared_ptr<EngineFactory> factory = onnxRuntime(2);
  Tensor input;
  input.reshape(shape);
  input.values = noise(input.values.size());
  std::vector<Tensor> outputs;
  dynamic_cast<TensorEngine&>(*factory->load(path, spec)).run(input, outputs);
  std::vector<const char*> names;
  for (const TensorSpec& output : spec.outputs) names.push_back(output.name.c_str());
  const std::vector<std::vector<float>> expected = plain(path, input, names);
  for (size_t i = 0; i < expected.size(); ++i) {
    CHECK(outputs[i].values.size() == expected[i].size());
    for (size_t at = 0; at < expected[i].size(); ++at) CHECK_NEAR(outputs[i].values[at], expected[i][at], 2e-5);
  }
}

void netsAnswerAsBefore() {
  const ModelSpec pnet{{"input", {-1, 3, -1, -1}}, {{"prob", {0, 2, 0, 0}}, {"regression", {0, 4, 0, 0}}}};
  for (const int64_t side : {12, 33, 70}) sameAnswer(models("mtcnn-pnet.onnx"), pnet, {1, 3, side, side + 11});
  const ModelSpec onet{{"input", {-1, 3, 48, 48}}, {{"prob", {0, 2}}, {"regression", {0, 4}}, {"landmarks", {0, 10}}}};
  for (const int64_t batch : {1, 3}) sameAnswer(models("mtcnn-onet.onnx"), onet, {batch, 3, 48, 48});
}

/// Of all channels, as files from elsewhere may have it.
void oneSlopeIsEveryChannels() {
  onnx::Graph graph(contentOf(models("mtcnn-pnet.onnx")));
  graph.addConstant("one", {1, 1, 1}, {0.25f});
  for (onnx::Node& node : graph.nodes) {
    if (node.type == "PRelu") node.inputs[1] = "one";
  }
  const std::string path = "/tmp/facelatch-test-one-" + std::to_string(getpid()) + ".onnx";
  std::ofstream(path, std::ios::binary) << graph.file();
  const ModelSpec pnet{{"input", {-1, 3, -1, -1}}, {{"prob", {0, 2, 0, 0}}, {"regression", {0, 4, 0, 0}}}};
  sameAnswer(path, pnet, {1, 3, 30, 41});
  std::remove(path.c_str());
}

/// The runtime still writes what is looked for: else nothing would be exchanged, and nobody would notice but by the
/// time.
void theRuntimesGraphsAreUnderstood() {
  const std::string written = "/tmp/facelatch-test-" + std::to_string(getpid()) + ".onnx";
  {
    const Ort::Env env(ORT_LOGGING_LEVEL_FATAL, "test");
    Ort::SessionOptions options;
    options.SetOptimizedModelFilePath(written.c_str());
    const Ort::Session session(env, models("mtcnn-onet.onnx").c_str(), options);
  }
  const onnx::Graph exchanged(withOwnPRelu(contentOf(written)).value());
  std::remove(written.c_str());
  // The fifth has no pictures to work on.
  CHECK(std::count_if(exchanged.nodes.begin(), exchanged.nodes.end(),
                      [](const onnx::Node& node) { return node.domain == "facelatch" && node.type == "PRelu"; }) == 4);
}

onnx::Graph between(const onnx::Node& before, const onnx::Node& after) {
  onnx::Graph graph("");
  graph.nodes = {before, {"", "PRelu", {"b", "slope"}, {"c"}}, after};
  graph.addConstant("slope", {16, 1, 1}, std::vector<float>(16, 0.25f));
  return graph;
}

std::vector<std::string> typesIn(const onnx::Graph& graph) {
  std::vector<std::string> types;
  for (const onnx::Node& node : graph.nodes) types.push_back(node.domain + ":" + node.type);
  return types;
}

void reordersAreLeftOutWhereNobodyElseNeedsThem() {
  const std::string nchwc = "com.microsoft.nchwc";
  const onnx::Node out{nchwc, "ReorderOutput", {"a"}, {"b"}, {{"channels", 16}, {"channels_last", 0}}};
  const onnx::Node in{nchwc, "ReorderInput", {"c"}, {"d"}, {{"channels_last", 0}}};
  const auto exchanged = [](const onnx::Graph& graph) { return onnx::Graph(withOwnPRelu(graph.file()).value()); };

  const onnx::Graph inside = exchanged(between(out, in));
  CHECK((typesIn(inside) == std::vector<std::string>{nchwc + ":ReorderInput", "facelatch:PRelu"}));
  CHECK((inside.nodes[1].inputs[0] == "a" && inside.nodes[1].outputs[0] == "d"));

  // Somebody reads the usual order.
  const onnx::Graph read = exchanged(between(out, {"", "MaxPool", {"c"}, {"d"}}));
  CHECK((typesIn(read) == std::vector<std::string>{nchwc + ":ReorderOutput", "facelatch:PRelu", ":MaxPool"}));
  onnx::Graph twice = between(out, in);
  twice.nodes.push_back({"", "Relu", {"b"}, {"e"}});
  CHECK(typesIn(exchanged(twice)).size() == 4);
  // Channels come last there.
  const onnx::Node last{nchwc, "ReorderOutput", {"a"}, {"b"}, {{"channels_last", 1}}};
  CHECK(typesIn(exchanged(between(last, in))).size() == 3);
}

void otherSlopesStay() {
  onnx::Graph graph("");
  graph.nodes = {{"", "PRelu", {"a", "slope"}, {"b"}}};
  graph.addConstant("slope", {16}, std::vector<float>(16));
  CHECK(hasPRelu(graph.file()));
  CHECK(!withOwnPRelu(graph.file()).has_value());
}

void damagedFilesAreNoModels() {
  const std::string file = contentOf(models("mtcnn-pnet.onnx"));
  CHECK(hasPRelu(file));
  CHECK(!hasPRelu("{\"no\": \"model\"}"));
  for (size_t size = 1; size < file.size(); size += 997) {
    CHECK(!hasPRelu(std::string_view(file).substr(0, size)));
    CHECK(!withOwnPRelu(std::string_view(file).substr(0, size)).has_value());
  }
}

void untouchedGraphsStayWhatTheyWere() {
  const std::string file = contentOf(models("mtcnn-onet.onnx"));
  const onnx::Graph once(file);
  const onnx::Graph again(once.file());
  CHECK(again.file() == once.file());
  CHECK(once.nodes.size() == 21 && once.outputs.size() == 3);
}

}  // namespace

int main() {
  return runAll(netsAnswerAsBefore, oneSlopeIsEveryChannels, theRuntimesGraphsAreUnderstood,
                reordersAreLeftOutWhereNobodyElseNeedsThem, otherSlopesStay, damagedFilesAreNoModels,
                untouchedGraphsStayWhatTheyWere);
}
