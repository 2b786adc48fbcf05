#include "addon.h"

#include <malloc.h>

#include <algorithm>
#include <cmath>
#include <sstream>

#include "engine.h"
#include "pipeline.h"

namespace facelatch {
namespace {

Napi::Value versions(const Napi::CallbackInfo& info) {
  Napi::Object result = Napi::Object::New(info.Env());
  result["gstreamer"] = gstreamerVersion();
  result["onnxruntime"] = onnxRuntimeVersion();
  return result;
}

Napi::Value alive(const Napi::CallbackInfo& info) {
  Napi::Object result = Napi::Object::New(info.Env());
  result["frames"] = Picture::alive();
  result["cameras"] = Camera::alive();
  result["recognizers"] = Recognizer::alive();
  result["stuckPipelines"] = Pipeline::stuck();
  return result;
}

Napi::Value elementExists(const Napi::CallbackInfo& info) {
  if (!info[0].IsString()) throw argumentError(info.Env(), "name must be a string");
  try {
    return Napi::Boolean::New(info.Env(), hasElement(info[0].As<Napi::String>()));
  } catch (const Error&) {
    throw errorFor(info.Env(), std::current_exception());
  }
}

constexpr std::chrono::milliseconds exitLimit{3000};

/// process.exit() runs no clean-up hooks, only the destructors of static objects. Camera threads must have ended by
/// then.
struct AtExit {
  ~AtExit() { Camera::closeAll(exitLimit); }
};

void cleanUp(Addon* addon) {
  addon->mailbox->shut();
  std::vector<std::shared_ptr<Camera>> cameras;
  for (const auto& entry : addon->cameras) {
    if (auto camera = entry.lock()) cameras.push_back(std::move(camera));
  }
  for (const auto& camera : cameras) camera->close();
  for (const auto& camera : cameras) camera->waitClosed(exitLimit);
}

Napi::Object initialise(Napi::Env env, Napi::Object exports) {
  static const AtExit atExit;
  auto* addon = new Addon;
  env.SetInstanceData(addon);  // which owns it from here on
  addon->mailbox = Mailbox::create(env);
  env.AddCleanupHook(cleanUp, addon);
  const Napi::Function frame = defineFrame(env), camera = defineCamera(env), recognizer = defineRecognizer(env);
  addon->frame = Napi::Persistent(frame);
  addon->camera = Napi::Persistent(camera);
  addon->recognizer = Napi::Persistent(recognizer);
  exports["Frame"] = frame;
  exports["Camera"] = camera;
  exports["Recognizer"] = recognizer;
  exports["versions"] = Napi::Function::New(env, versions, "versions");
  exports["alive"] = Napi::Function::New(env, alive, "alive");
  exports["hasElement"] = Napi::Function::New(env, elementExists, "hasElement");
  return exports;
}

}  // namespace

void Addon::remember(const std::shared_ptr<Camera>& opened) {
  const auto gone = [](const std::weak_ptr<Camera>& entry) { return entry.expired(); };
  cameras.erase(std::remove_if(cameras.begin(), cameras.end(), gone), cameras.end());
  cameras.push_back(opened);
}

std::shared_ptr<Mailbox> Mailbox::create(Napi::Env env) {
  auto mailbox = std::make_shared<Mailbox>();
  // The channel's last act drops this reference: tasks may be drained until then.
  auto* held = new std::shared_ptr<Mailbox>(mailbox);
  mailbox->channel_ = Channel::New(
      env, "facelatch", 0, 1, mailbox.get(), [](Napi::Env, std::shared_ptr<Mailbox>* last, Mailbox*) { delete last; },
      held);
  mailbox->channel_.Unref(env);
  return mailbox;
}

void Mailbox::expect(Napi::Env env) {
  if (expected_++ == 0) channel_.Ref(env);
}

void Mailbox::post(Task task) {
  const std::lock_guard<std::mutex> lock(mutex_);
  if (!open_) return;
  tasks_.push_back(std::move(task));
  channel_.NonBlockingCall();
}

void Mailbox::shut() {
  const std::lock_guard<std::mutex> lock(mutex_);
  open_ = false;
  tasks_.clear();
  channel_.Release();
}

void Mailbox::drain(Napi::Env env, Napi::Function, Mailbox* self, void*) {
  if (env == nullptr) return;
  std::deque<Task> tasks;
  {
    const std::lock_guard<std::mutex> lock(self->mutex_);
    tasks.swap(self->tasks_);
  }
  for (const Task& task : tasks) {
    if (--self->expected_ == 0) self->channel_.Unref(env);
    task(env);
  }
}

Napi::Error codedError(Napi::Env env, const char* code, const std::string& message) {
  Napi::Error error = Napi::Error::New(env, message);
  error.Set("code", Napi::String::New(env, code));
  return error;
}

Napi::Error argumentError(Napi::Env env, const std::string& what) {
  Napi::Error error = Napi::TypeError::New(env, what);
  error.Set("code", Napi::String::New(env, "ARGUMENT"));
  return error;
}

Napi::Error errorFor(Napi::Env env, const std::exception_ptr& failure) {
  try {
    std::rethrow_exception(failure);
  } catch (const Error& error) {
    return codedError(env, name(error.code), error.what());
  } catch (const std::exception& error) {
    return codedError(env, name(Code::engine), error.what());
  }
}

Options::Options(const Napi::Value& value, std::string where) : where_(std::move(where)) {
  if (!value.IsObject()) throw argumentError(value.Env(), where_ + " must be an object");
  object_ = value.As<Napi::Object>();
}

bool Options::has(const char* key) const { return !get(key).IsUndefined(); }

Options Options::object(const char* key) const { return Options(get(key), name(key)); }

std::vector<Options> Options::objects(const char* key) const {
  std::vector<Options> found;
  if (!has(key)) return found;
  if (!get(key).IsArray()) throw argumentError(object_.Env(), name(key) + " must be an array");
  const auto array = get(key).As<Napi::Array>();
  for (uint32_t i = 0; i < array.Length(); ++i)
    found.emplace_back(array.Get(i), name(key) + "[" + std::to_string(i) + "]");
  return found;
}

std::vector<std::pair<std::string, std::string>> Options::texts(const char* key) const {
  const Options inner = object(key);
  std::vector<std::pair<std::string, std::string>> found;
  const Napi::Array keys = inner.object_.GetPropertyNames();
  for (uint32_t i = 0; i < keys.Length(); ++i) {
    const std::string member = keys.Get(i).ToString();
    found.emplace_back(member, inner.string(member.c_str()));
  }
  return found;
}

std::string Options::string(const char* key) const {
  const Napi::Value value = get(key);
  if (!value.IsString()) throw argumentError(object_.Env(), name(key) + " must be a string");
  std::string text = value.As<Napi::String>();
  if (text.empty()) throw argumentError(object_.Env(), name(key) + " must not be empty");
  return text;
}

std::string Options::oneOf(const char* key, const std::vector<std::string>& allowed) const {
  std::string text = string(key), list;
  for (const std::string& choice : allowed) {
    if (choice == text) return text;
    list += (list.empty() ? "'" : ", '") + choice + "'";
  }
  throw argumentError(object_.Env(), name(key) + " must be one of " + list);
}

double Options::number(const char* key, double least, double most) const {
  const Napi::Value value = get(key);
  const double number = value.IsNumber() ? value.As<Napi::Number>().DoubleValue() : std::nan("");
  if (!(number >= least && number <= most)) {
    std::ostringstream text;
    text << name(key) << " must be a number from " << least << " to " << most;
    throw argumentError(object_.Env(), text.str());
  }
  return number;
}

int Options::integer(const char* key, int least, int most) const {
  const Napi::Value value = get(key);
  const double number = value.IsNumber() ? value.As<Napi::Number>().DoubleValue() : std::nan("");
  if (!(number >= least && number <= most) || number != std::floor(number)) {
    const std::string limits = std::to_string(least) + " to " + std::to_string(most);
    throw argumentError(object_.Env(), name(key) + " must be a whole number from " + limits);
  }
  return static_cast<int>(number);
}

bool Options::boolean(const char* key) const {
  const Napi::Value value = get(key);
  if (!value.IsBoolean()) throw argumentError(object_.Env(), name(key) + " must be true or false");
  return value.As<Napi::Boolean>();
}

std::vector<float> Options::numbers(const char* key, size_t count) const {
  return finiteNumbers(get(key), count, name(key));
}

std::vector<float> finiteNumbers(const Napi::Value& value, size_t count, const std::string& name) {
  const std::string what = name + " must be an array of " + std::to_string(count) + " finite numbers";
  if (!value.IsArray() || value.As<Napi::Array>().Length() != count) throw argumentError(value.Env(), what);
  std::vector<float> numbers;
  for (uint32_t i = 0; i < count; ++i) {
    const Napi::Value item = value.As<Napi::Array>().Get(i);
    const double number = item.IsNumber() ? item.As<Napi::Number>().DoubleValue() : std::nan("");
    if (!(std::fabs(number) <= 1e6)) throw argumentError(value.Env(), what);
    numbers.push_back(static_cast<float>(number));
  }
  return numbers;
}

}  // namespace facelatch

static Napi::Object start(Napi::Env env, Napi::Object exports) {
#ifdef __GLIBC__
  // By default each of the many threads here keeps what it has freed in an arena of its own: 20 MB more, for nothing,
  // since the nets have an allocator of theirs.
  mallopt(M_ARENA_MAX, 2);
#endif
  return facelatch::initialise(env, exports);
}

NODE_API_MODULE(facelatch, start)
