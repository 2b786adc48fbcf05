#include <cmath>
#include <stdexcept>

#include "addon.h"

namespace facelatch {
namespace {

using RecognizerPtr = std::shared_ptr<Recognizer>;

/// One promise: `work` runs on a pool thread and sees no JavaScript, `result` turns what it left into a value.
struct Job {
  Napi::Promise::Deferred deferred;
  std::function<void()> work;
  std::function<Napi::Value(Napi::Env)> result;
};

/// libuv's pool rather than a thread of our own: process.exit() waits for it before it takes the process apart.
class Worker : public Napi::AsyncWorker {
 public:
  Worker(Napi::Env env, Job job, std::function<void()> after)
      : Napi::AsyncWorker(env, "facelatch"), job_(std::move(job)), after_(std::move(after)) {}

 private:
  void Execute() override {
    try {
      job_.work();
    } catch (...) {
      failure_ = std::current_exception();
    }
  }

  void OnOK() override {
    if (failure_) {
      job_.deferred.Reject(errorFor(Env(), failure_).Value());
    } else {
      job_.deferred.Resolve(job_.result(Env()));
    }
    after_();
  }

  Job job_;
  std::function<void()> after_;
  std::exception_ptr failure_;
};

template <size_t count>
std::array<float, count> arrayOf(const std::vector<float>& values) {
  std::array<float, count> result{};
  std::copy_n(values.begin(), count, result.begin());
  return result;
}

Normalisation readNormalisation(const Options& net) {
  return {arrayOf<3>(net.numbers("mean", 3)), arrayOf<3>(net.numbers("scale", 3)),
          net.oneOf("colour", {"rgb", "bgr"}) == "bgr"};
}

RecognizerOptions readOptions(const Napi::Value& value) {
  const Options given(value, "options");
  RecognizerOptions options;
  const std::string engine = given.oneOf("engine", {"auto", "tensorrt", "onnxruntime"});
  options.engine = engine == "auto"       ? EngineChoice::automatic
                   : engine == "tensorrt" ? EngineChoice::tensorrt
                                          : EngineChoice::onnxruntime;
  if (given.has("tensorrt")) {
    const Options tensorrt = given.object("tensorrt");
    const std::string precision = tensorrt.oneOf("precision", {"auto", "fp32", "fp16"});
    options.tensorrt.precision = precision == "fp32"   ? Precision::fp32
                                 : precision == "fp16" ? Precision::fp16
                                                       : Precision::automatic;
    if (tensorrt.has("plans")) options.tensorrt.plans = tensorrt.string("plans");
    if (tensorrt.has("module")) options.tensorrt.module = tensorrt.string("module");
  }
  options.threads = given.integer("threads", 0, 256);

  const Options detector = given.object("detector");
  options.detector.minFace = detector.number("minFace", 20, 16384);
  options.detector.maxFaces = static_cast<size_t>(detector.integer("maxFaces", 1, 1000));
  if (detector.oneOf("type", {"mtcnn", "yunet"}) == "yunet") {
    options.detector.type = DetectorType::yunet;
    options.detector.yunet = detector.string("path");
    options.detector.score = static_cast<float>(detector.number("score", 0.01, 1));
  } else {
    options.detector.pnet = detector.string("pnet");
    options.detector.rnet = detector.string("rnet");
    options.detector.onet = detector.string("onet");
    options.detector.scores = arrayOf<3>(detector.numbers("scores", 3));
    // Beyond 0.95 a pyramid has hundreds of scales.
    options.detector.factor = detector.number("factor", 0.1, 0.95);
  }

  options.landmarks = given.string("landmarks");

  const Options embedder = given.object("embedder");
  options.embedder.path = embedder.string("path");
  options.embedder.width = embedder.integer("width", 16, 1024);
  options.embedder.height = embedder.integer("height", 16, 1024);
  options.embedder.normalisation = readNormalisation(embedder);
  options.embedder.target = arrayOf<10>(embedder.numbers("template", 10));
  options.embedder.dimensions = static_cast<size_t>(embedder.integer("dimensions", 2, 4096));

  for (const Options& net : given.objects("liveness")) {
    options.liveness.push_back({net.string("path"), net.integer("width", 16, 1024), net.integer("height", 16, 1024),
                                readNormalisation(net), net.number("crop", 1, 10)});
  }
  return options;
}

std::vector<Box> readBoxes(const Napi::Value& value, const std::string& name) {
  if (!value.IsArray()) throw argumentError(value.Env(), name + " must be an array of boxes");
  const auto array = value.As<Napi::Array>();
  if (array.Length() > 256) throw argumentError(value.Env(), name + " must be at most 256 boxes");
  std::vector<Box> boxes;
  for (uint32_t i = 0; i < array.Length(); ++i) {
    const Options box(array.Get(i), name + "[" + std::to_string(i) + "]");
    boxes.push_back({box.number("x", -1e6, 1e6), box.number("y", -1e6, 1e6), box.number("width", 1, 1e6),
                     box.number("height", 1, 1e6)});
  }
  return boxes;
}

Landmarks readLandmarks(const Napi::Value& value, const std::string& name) {
  return arrayOf<10>(finiteNumbers(value, 10, name));
}

bool isTyped(const Napi::Value& value, napi_typedarray_type type) {
  return value.IsTypedArray() && value.As<Napi::TypedArray>().TypedArrayType() == type;
}

std::vector<float> readRows(const Napi::Value& value) {
  if (!isTyped(value, napi_float32_array)) throw argumentError(value.Env(), "embeddings must be a Float32Array");
  const auto rows = value.As<Napi::Float32Array>();
  return std::vector<float>(rows.Data(), rows.Data() + rows.ElementLength());
}

Napi::Object faceObject(Napi::Env env, const Face& face) {
  Napi::Object box = Napi::Object::New(env);
  box["x"] = face.box.x;
  box["y"] = face.box.y;
  box["width"] = face.box.width;
  box["height"] = face.box.height;
  Napi::Array landmarks = Napi::Array::New(env, face.landmarks.size());
  for (uint32_t i = 0; i < face.landmarks.size(); ++i) landmarks[i] = static_cast<double>(face.landmarks[i]);
  Napi::Object object = Napi::Object::New(env);
  object["box"] = box;
  object["landmarks"] = landmarks;
  object["score"] = static_cast<double>(face.score);
  return object;
}

Napi::Object identificationObject(Napi::Env env, const Identification& identification) {
  Napi::Float32Array embedding = Napi::Float32Array::New(env, identification.embedding.size());
  std::copy(identification.embedding.begin(), identification.embedding.end(), embedding.Data());
  Napi::Array matches = Napi::Array::New(env, identification.matches.size());
  for (uint32_t i = 0; i < identification.matches.size(); ++i) {
    Napi::Object match = Napi::Object::New(env);
    match["label"] = identification.matches[i].label;
    match["similarity"] = static_cast<double>(identification.matches[i].similarity);
    matches[i] = match;
  }
  Napi::Object object = Napi::Object::New(env);
  Napi::Object clarity = Napi::Object::New(env);
  clarity["sharpness"] = identification.clarity.sharpness;
  clarity["contrast"] = identification.clarity.contrast;
  clarity["brightness"] = identification.clarity.brightness;
  clarity["clipped"] = identification.clarity.clipped;
  object["embedding"] = embedding;
  object["matches"] = matches;
  object["clarity"] = clarity;
  if (!identification.liveness.empty()) {
    Napi::Array liveness = Napi::Array::New(env, identification.liveness.size());
    for (uint32_t i = 0; i < identification.liveness.size(); ++i)
      liveness[i] = static_cast<double>(identification.liveness[i]);
    object["liveness"] = liveness;
  }
  return object;
}

class RecognizerWrap : public Napi::ObjectWrap<RecognizerWrap> {
 public:
  explicit RecognizerWrap(const Napi::CallbackInfo& info) : Napi::ObjectWrap<RecognizerWrap>(info) {
    if (!info[0].IsExternal()) throw argumentError(info.Env(), "Recognizer has no constructor; use Recognizer.load");
    recognizer_ = *info[0].As<Napi::External<RecognizerPtr>>().Data();
    engine_ = recognizer_->engine();
    nv12_ = recognizer_->prefersNv12();
    fallback_ = recognizer_->fallback();
    notes_ = recognizer_->notes();
  }

  static Napi::Function define(Napi::Env env) {
    return DefineClass(
        env, "Recognizer",
        {StaticMethod<&RecognizerWrap::load>("load"),
         InstanceAccessor<&RecognizerWrap::engine>("engine", napi_enumerable),
         InstanceAccessor<&RecognizerWrap::pixels>("pixels", napi_enumerable),
         InstanceAccessor<&RecognizerWrap::fallback>("fallback", napi_enumerable),
         InstanceAccessor<&RecognizerWrap::notes>("notes", napi_enumerable),
         InstanceMethod<&RecognizerWrap::detect>("detect"), InstanceMethod<&RecognizerWrap::identify>("identify"),
         InstanceMethod<&RecognizerWrap::align>("align"), InstanceMethod<&RecognizerWrap::setGallery>("setGallery"),
         InstanceMethod<&RecognizerWrap::setTemplates>("setTemplates"),
         InstanceMethod<&RecognizerWrap::close>("close")});
  }

 private:
  static Napi::Value load(const Napi::CallbackInfo& info) {
    return promised(info.Env(), [&](Napi::Promise::Deferred deferred) {
      const auto options = std::make_shared<RecognizerOptions>(readOptions(info[0]));
      const auto loaded = std::make_shared<RecognizerPtr>();
      const auto work = [options, loaded] { *loaded = std::make_shared<Recognizer>(*options); };
      const auto result = [loaded](Napi::Env env) -> Napi::Value {
        return Addon::of(env).recognizer.New({Napi::External<RecognizerPtr>::New(env, loaded.get())});
      };
      (new Worker(info.Env(), {deferred, work, result}, [] {}))->Queue();  // deletes itself
    });
  }

  Napi::Value engine(const Napi::CallbackInfo& info) { return Napi::String::New(info.Env(), engine_); }

  Napi::Value pixels(const Napi::CallbackInfo& info) { return Napi::String::New(info.Env(), nv12_ ? "nv12" : "rgb"); }

  Napi::Value fallback(const Napi::CallbackInfo& info) {
    return fallback_.empty() ? info.Env().Null() : Napi::String::New(info.Env(), fallback_);
  }

  Napi::Value notes(const Napi::CallbackInfo& info) {
    Napi::Array lines = Napi::Array::New(info.Env(), notes_.size());
    for (uint32_t i = 0; i < notes_.size(); ++i) lines[i] = notes_[i];
    return lines;
  }

  Napi::Value detect(const Napi::CallbackInfo& info) {
    return promised(info.Env(), [&](Napi::Promise::Deferred deferred) {
      const RecognizerPtr recognizer = opened(info.Env());
      const PicturePtr picture = pictureOfFrame(info[0]);
      const bool sweep = info[1].IsUndefined();
      const std::vector<Box> regions = sweep ? std::vector<Box>() : readBoxes(info[1], "regions");
      struct Found {
        std::vector<Face> faces;
        DetectTimings timings;
      };
      const auto found = std::make_shared<Found>();
      const auto work = [=] {
        found->faces = sweep ? recognizer->detect(*picture, found->timings)
                             : recognizer->refine(*picture, regions, found->timings);
      };
      const auto result = [found](Napi::Env env) -> Napi::Value {
        Napi::Array faces = Napi::Array::New(env, found->faces.size());
        for (uint32_t i = 0; i < found->faces.size(); ++i) faces[i] = faceObject(env, found->faces[i]);
        Napi::Object timings = Napi::Object::New(env);
        timings["pnet"] = found->timings.pnet;
        timings["rnet"] = found->timings.rnet;
        timings["onet"] = found->timings.onet;
        timings["yunet"] = found->timings.yunet;
        Napi::Object object = Napi::Object::New(env);
        object["faces"] = faces;
        object["timings"] = timings;
        return object;
      };
      enqueue({deferred, work, result});
    });
  }

  Napi::Value identify(const Napi::CallbackInfo& info) {
    return promised(info.Env(), [&](Napi::Promise::Deferred deferred) {
      const Napi::Env env = info.Env();
      const RecognizerPtr recognizer = opened(env);
      const PicturePtr picture = pictureOfFrame(info[0]);
      if (!info[1].IsArray()) throw argumentError(env, "landmarks must be an array with ten numbers for each face");
      const auto array = info[1].As<Napi::Array>();
      std::vector<Landmarks> faces;
      for (uint32_t i = 0; i < array.Length(); ++i) {
        faces.push_back(readLandmarks(array.Get(i), "landmarks[" + std::to_string(i) + "]"));
      }
      const double k = info[2].IsNumber() ? info[2].As<Napi::Number>().DoubleValue() : 0;
      if (!(k >= 1 && k <= 1e6) || k != std::floor(k))
        throw argumentError(env, "k must be a whole number from 1 to 1000000");
      const std::vector<Box> boxes = info[3].IsUndefined() ? std::vector<Box>() : readBoxes(info[3], "boxes");
      if (!boxes.empty() && boxes.size() != faces.size())
        throw argumentError(env, "boxes must be as many as landmarks");
      struct Found {
        std::vector<Identification> faces;
        IdentifyTimings timings;
      };
      const auto found = std::make_shared<Found>();
      const auto work = [=] {
        found->faces = recognizer->identify(*picture, faces, boxes, static_cast<size_t>(k), found->timings);
      };
      const auto result = [found](Napi::Env env) -> Napi::Value {
        Napi::Array faces = Napi::Array::New(env, found->faces.size());
        for (uint32_t i = 0; i < found->faces.size(); ++i) faces[i] = identificationObject(env, found->faces[i]);
        Napi::Object timings = Napi::Object::New(env);
        timings["align"] = found->timings.align;
        timings["embed"] = found->timings.embed;
        timings["match"] = found->timings.match;
        timings["liveness"] = found->timings.liveness;
        Napi::Object object = Napi::Object::New(env);
        object["faces"] = faces;
        object["timings"] = timings;
        return object;
      };
      enqueue({deferred, work, result});
    });
  }

  Napi::Value align(const Napi::CallbackInfo& info) {
    return promised(info.Env(), [&](Napi::Promise::Deferred deferred) {
      const RecognizerPtr recognizer = opened(info.Env());
      const PicturePtr picture = pictureOfFrame(info[0]);
      const Landmarks landmarks = readLandmarks(info[1], "landmarks");
      const auto aligned = std::make_shared<std::vector<uint8_t>>();
      const auto work = [=] { *aligned = recognizer->align(*picture, landmarks); };
      const auto result = [aligned](Napi::Env env) -> Napi::Value {
        return Napi::Buffer<uint8_t>::Copy(env, aligned->data(), aligned->size());
      };
      enqueue({deferred, work, result});
    });
  }

  void setGallery(const Napi::CallbackInfo& info) {
    const Napi::Env env = info.Env();
    const RecognizerPtr recognizer = opened(env);
    const std::vector<float> rows = readRows(info[0]);
    if (!isTyped(info[1], napi_int32_array)) throw argumentError(env, "labels must be an Int32Array");
    const auto labels = info[1].As<Napi::Int32Array>();
    try {
      recognizer->setGallery(Gallery(rows, std::vector<int32_t>(labels.Data(), labels.Data() + labels.ElementLength()),
                                     recognizer->dimensions()));
    } catch (const std::invalid_argument& error) {
      throw argumentError(env, error.what());
    }
  }

  void setTemplates(const Napi::CallbackInfo& info) {
    const Napi::Env env = info.Env();
    const RecognizerPtr recognizer = opened(env);
    const double label = info[0].IsNumber() ? info[0].As<Napi::Number>().DoubleValue() : -1;
    if (!(label >= 0 && label <= INT32_MAX) || label != std::floor(label))
      throw argumentError(env, "label must be a whole number from 0 to 2147483647");
    try {
      recognizer->setTemplates(static_cast<int32_t>(label), readRows(info[1]));
    } catch (const std::invalid_argument& error) {
      throw argumentError(env, error.what());
    }
  }

  Napi::Value close(const Napi::CallbackInfo& info) {
    return promised(info.Env(), [&](Napi::Promise::Deferred deferred) {
      // The last job holds the last reference and frees the engines on the pool thread.
      const auto last = std::make_shared<RecognizerPtr>(std::move(recognizer_));
      recognizer_.reset();
      enqueue({deferred, [last] { last->reset(); }, [](Napi::Env env) -> Napi::Value { return env.Undefined(); }});
    });
  }

  RecognizerPtr opened(Napi::Env env) const {
    if (!recognizer_) throw codedError(env, name(Code::closed), "the recognizer is closed; load it again");
    return recognizer_;
  }

  /// One call at a time: a second one would only wait for the networks, holding a thread that files need.
  void enqueue(Job job) {
    jobs_.push_back(std::move(job));
    if (!running_) startNext();
  }

  void startNext() {
    if (jobs_.empty()) return;
    Job job = std::move(jobs_.front());
    jobs_.pop_front();
    running_ = true;
    Ref();
    const auto after = [this] {
      running_ = false;
      startNext();
      Unref();
    };
    (new Worker(Env(), std::move(job), after))->Queue();  // deletes itself
  }

  RecognizerPtr recognizer_;
  std::string engine_;
  bool nv12_ = false;
  std::string fallback_;
  std::vector<std::string> notes_;
  std::deque<Job> jobs_;
  bool running_ = false;
};

}  // namespace

Napi::Function defineRecognizer(Napi::Env env) { return RecognizerWrap::define(env); }

}  // namespace facelatch
