// From an ONNX file to a TensorRT engine: the plan cache, nvonnxparser, the builder.
#include <NvOnnxParser.h>

#include <cerrno>
#include <cstdio>
#include <cstring>
#include <fstream>
#include <iterator>

#include "digest.h"
#include "tensorrt_context.h"

namespace facelatch {
namespace {

// Enough for every tactic of networks this small, and a Jetson Nano can spare it.
constexpr size_t workspace = 256u << 20;

std::string fileName(const std::string& path) { return path.substr(path.rfind('/') + 1); }

std::string stemOf(const std::string& path) {
  const std::string name = fileName(path);
  return name.substr(0, name.rfind('.'));
}

std::vector<char> read(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  std::vector<char> bytes{std::istreambuf_iterator<char>(file), std::istreambuf_iterator<char>()};
  if (file.bad() || bytes.empty()) {
    throw Error(Code::modelLoad, "cannot load model " + path + ": " +
                                     (errno != 0 ? std::strerror(errno) : "it is empty") +
                                     "; run: facelatch models install");
  }
  return bytes;
}

nvinfer1::Dims dims(const std::vector<int64_t>& shape) {
  nvinfer1::Dims result{};
  result.nbDims = static_cast<int32_t>(shape.size());
  for (size_t i = 0; i < shape.size(); ++i) {
    result.d[i] = static_cast<std::decay_t<decltype(result.d[0])>>(shape[i]);  // 32 bits before TensorRT 10
  }
  return result;
}

/// A dimension that the file has frozen is what it is.
std::vector<int64_t> within(const nvinfer1::Dims& file, std::vector<int64_t> shape) {
  for (int32_t i = 0; i < file.nbDims && i < static_cast<int32_t>(shape.size()); ++i) {
    if (file.d[i] > 0) shape[static_cast<size_t>(i)] = file.d[i];
  }
  return shape;
}

std::string profileText(const ShapeRange& range) {
  return shapeText(range.least) + shapeText(range.usual) + shapeText(range.most);
}

std::string parserErrors(const nvonnxparser::IParser& parser) {
  std::string text;
  for (int i = 0; i < parser.getNbErrors(); ++i) {
    const nvonnxparser::IParserError& error = *parser.getError(i);
    text += (i > 0 ? "; " : "") + std::string("node ") + std::to_string(error.node());
#if NV_TENSORRT_MAJOR >= 10
    text += std::string(" ") + error.nodeName() + " (" + error.nodeOperator() + ")";
#endif
    text += std::string(": ") + error.desc();
  }
  return oneLine(text);
}

std::string seconds(double value) { return std::to_string(value).substr(0, value < 10 ? 4 : 5) + " s"; }

TrtPlan kept(std::unique_ptr<nvinfer1::ICudaEngine> engine, std::vector<char> bytes) {
#if NV_TENSORRT_MAJOR >= 10
  bytes = {};  // one engine serves all contexts there
#endif
  return {std::move(engine), std::move(bytes)};
}

}  // namespace

TrtPlan TrtContext::planOf(const std::string& path, const ModelSpec& spec) {
  errno = 0;
  const std::vector<char> model = read(path);
  const std::string stem = stemOf(path);
  PlanKey wanted = key;
  wanted.model = sha256(model.data(), model.size());
  wanted.profile = profileText(spec.range);
  const bool halved = half && !spec.exact;
  wanted.precision = halved ? "fp16" : "fp32";

  auto start = std::chrono::steady_clock::now();
  std::string why;
  if (auto plan = cache.load(stem, wanted, why)) {
    std::unique_ptr<nvinfer1::ICudaEngine> engine(runtime->deserializeCudaEngine(plan->data(), plan->size()));
    if (engine) {
      note(stem + ": plan loaded in " + seconds(secondsSince(start)));
      return kept(std::move(engine), std::move(*plan));
    }
    why = "TensorRT refused the kept plan: " + log.take("it said nothing");
  }
  if (!why.empty()) note(stem + ": " + why + "; it is made again");

  std::fprintf(stderr, "facelatch: making the TensorRT plan of %s (%s) for %s; this takes from seconds to minutes\n",
               stem.c_str(), wanted.precision.c_str(), wanted.device.c_str());
  start = std::chrono::steady_clock::now();
  std::vector<char> plan = build(path, model, spec);
  note(stem + ": plan built in " + seconds(secondsSince(start)));
  const std::string problem = cache.store(stem, wanted, plan.data(), plan.size());
  if (!problem.empty()) note(stem + ": the plan cannot be kept (" + problem + "); it is made again at every start");
  std::unique_ptr<nvinfer1::ICudaEngine> engine(runtime->deserializeCudaEngine(plan.data(), plan.size()));
  if (!engine)
    throw Error(Code::modelLoad,
                "TensorRT cannot load the plan it has just made of " + path + ": " + log.take("it said nothing"));
  return kept(std::move(engine), std::move(plan));
}

std::vector<char> TrtContext::build(const std::string& path, const std::vector<char>& model, const ModelSpec& spec) {
  const bool halved = half && !spec.exact;
  const auto fail = [&](const std::string& what) {
    return Error(Code::modelLoad, "TensorRT cannot use model " + path + ": " + what);
  };
  log.take("");
  const std::unique_ptr<nvinfer1::IBuilder> builder(nvinfer1::createInferBuilder(log));
  if (!builder) throw fail(log.take("no builder"));
#if NV_TENSORRT_MAJOR < 10
  const uint32_t flags = 1u << static_cast<uint32_t>(nvinfer1::NetworkDefinitionCreationFlag::kEXPLICIT_BATCH);
#else
  const uint32_t flags = 0;  // explicit batch is all there is
#endif
  const std::unique_ptr<nvinfer1::INetworkDefinition> network(builder->createNetworkV2(flags));
  if (!network) throw fail(log.take("no network"));
  const std::unique_ptr<nvonnxparser::IParser> parser(nvonnxparser::createParser(*network, log));
  if (!parser || !parser->parse(model.data(), model.size())) {
    throw fail(parser && parser->getNbErrors() > 0 ? parserErrors(*parser) : log.take("no parser"));
  }
  if (network->getNbInputs() != 1) throw fail("it has " + std::to_string(network->getNbInputs()) + " inputs, not one");
  const nvinfer1::ITensor& input = *network->getInput(0);
  const nvinfer1::Dims file = input.getDimensions();
  if (file.nbDims != static_cast<int32_t>(spec.range.usual.size())) throw fail("its input has another rank");

  const std::unique_ptr<nvinfer1::IBuilderConfig> config(builder->createBuilderConfig());
  config->setMemoryPoolLimit(nvinfer1::MemoryPoolType::kWORKSPACE, workspace);
  // TF32 keeps ten bits of the mantissa: it is no FP32, and its answers miss a thousandth.
  if (!halved) config->clearFlag(nvinfer1::BuilderFlag::kTF32);
#if NV_TENSORRT_MAJOR < 11
  if (halved) config->setFlag(nvinfer1::BuilderFlag::kFP16);
#endif
#if NV_TENSORRT_MAJOR < 10
  // Off by itself from TensorRT 10 on: the libraries behind these take hundreds of megabytes and win nothing here.
  using Source = nvinfer1::TacticSource;
  uint32_t without = config->getTacticSources();
  for (const Source source : {Source::kCUBLAS, Source::kCUBLAS_LT, Source::kCUDNN}) {
    without &= ~(1u << static_cast<uint32_t>(source));
  }
  config->setTacticSources(without);
#endif
  nvinfer1::IOptimizationProfile* profile = builder->createOptimizationProfile();
  using Select = nvinfer1::OptProfileSelector;
  const bool fits = profile->setDimensions(input.getName(), Select::kMIN, dims(within(file, spec.range.least))) &&
                    profile->setDimensions(input.getName(), Select::kOPT, dims(within(file, spec.range.usual))) &&
                    profile->setDimensions(input.getName(), Select::kMAX, dims(within(file, spec.range.most)));
  if (!fits || config->addOptimizationProfile(profile) < 0) throw fail(log.take("its input has other dimensions"));

  // Timings are of the machine, not of a model; they make the next plan in half the time.
  PlanKey machine = key;
  machine.precision = machine.profile = "any";
  std::string why;
  const auto kept = cache.load("timings", machine, why);
  std::unique_ptr<nvinfer1::ITimingCache> timings(
      config->createTimingCache(kept ? kept->data() : nullptr, kept ? kept->size() : 0));
  if (!timings) timings.reset(config->createTimingCache(nullptr, 0));
  if (timings) config->setTimingCache(*timings, false);

  const std::unique_ptr<nvinfer1::IHostMemory> plan(builder->buildSerializedNetwork(*network, *config));
  if (!plan || plan->size() == 0) throw fail(log.take("the builder said nothing"));
  if (timings) {
    const std::unique_ptr<nvinfer1::IHostMemory> blob(timings->serialize());
    if (blob) cache.store("timings", machine, blob->data(), blob->size());
  }
  const char* bytes = static_cast<const char*>(plan->data());
  return {bytes, bytes + plan->size()};
}

}  // namespace facelatch
