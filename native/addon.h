// What the addon_*.cc files share. They are the only ones that know JavaScript: they check arguments, copy them into
// plain values and turn results and errors back.
#pragma once

#include <napi.h>

#include <deque>
#include <exception>
#include <functional>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "camera.h"
#include "error.h"
#include "picture.h"
#include "recognizer.h"

namespace facelatch {

/// Brings results from camera threads to the JavaScript thread of one environment.
class Mailbox {
 public:
  using Task = std::function<void(Napi::Env)>;

  static std::shared_ptr<Mailbox> create(Napi::Env env);
  /// On the JavaScript thread: one post will come; the process stays alive for it.
  void expect(Napi::Env env);
  /// On any thread, once for each expect. After shut the task is dropped.
  void post(Task task);
  /// On the JavaScript thread, when the environment goes.
  void shut();

 private:
  static void drain(Napi::Env env, Napi::Function, Mailbox* self, void*);
  using Channel = Napi::TypedThreadSafeFunction<Mailbox, void, &Mailbox::drain>;

  std::mutex mutex_;
  std::deque<Task> tasks_;
  Channel channel_;
  bool open_ = true;
  int expected_ = 0;
};

/// Per environment: worker threads of JavaScript each have one.
struct Addon {
  Napi::FunctionReference frame;
  Napi::FunctionReference camera;
  Napi::FunctionReference recognizer;
  std::shared_ptr<Mailbox> mailbox;
  std::vector<std::weak_ptr<Camera>> cameras;

  /// So that the camera ends with the environment.
  void remember(const std::shared_ptr<Camera>& opened);

  static Addon& of(Napi::Env env) { return *env.GetInstanceData<Addon>(); }
};

Napi::Function defineFrame(Napi::Env env);
Napi::Function defineCamera(Napi::Env env);
Napi::Function defineRecognizer(Napi::Env env);

Napi::Object frameObject(Napi::Env env, PicturePtr picture);
/// Throws TypeError for what is no Frame and CLOSED for a released one.
PicturePtr pictureOfFrame(const Napi::Value& value);

/// `what` begins with the argument's name.
Napi::Error argumentError(Napi::Env env, const std::string& what);
Napi::Error codedError(Napi::Env env, const char* code, const std::string& message);
Napi::Error errorFor(Napi::Env env, const std::exception_ptr& failure);

/// Argument errors of a method that returns a promise reject it.
template <typename Start>
Napi::Value promised(Napi::Env env, Start start) {
  const auto deferred = Napi::Promise::Deferred::New(env);
  try {
    start(deferred);
  } catch (const Napi::Error& error) {
    deferred.Reject(error.Value());
  } catch (...) {
    deferred.Reject(errorFor(env, std::current_exception()).Value());
  }
  return deferred.Promise();
}

/// Reads the members of an options object. Names in messages are `where.key`.
class Options {
 public:
  Options(const Napi::Value& value, std::string where);

  bool has(const char* key) const;
  Options object(const char* key) const;
  /// An array of objects; none where the key is missing.
  std::vector<Options> objects(const char* key) const;
  std::string string(const char* key) const;
  std::string oneOf(const char* key, const std::vector<std::string>& allowed) const;
  double number(const char* key, double least, double most) const;
  int integer(const char* key, int least, int most) const;
  bool boolean(const char* key) const;
  std::vector<float> numbers(const char* key, size_t count) const;
  /// An object whose members are strings.
  std::vector<std::pair<std::string, std::string>> texts(const char* key) const;

 private:
  Napi::Value get(const char* key) const { return object_.Get(key); }
  std::string name(const char* key) const { return where_ + "." + key; }

  Napi::Object object_;
  std::string where_;
};

/// `count` finite numbers of an array.
std::vector<float> finiteNumbers(const Napi::Value& value, size_t count, const std::string& name);

}  // namespace facelatch
