/// An addon of its own, without GStreamer and ONNX Runtime: the supervisor loads it. Its contract: index.d.ts.
#include <napi.h>
#include <unistd.h>

#include <memory>
#include <string>
#include <system_error>
#include <vector>

#include "gpio_chardev.h"

namespace facelatch::gpio {
namespace {

/// `errno` is positive here; JavaScript turns it into a name.
Napi::Error errorFor(Napi::Env env, const std::system_error& error) {
  Napi::Error result = Napi::Error::New(env, error.what());
  result.Set("errno", Napi::Number::New(env, error.code().value()));
  return result;
}

template <typename Work>
auto guarded(Napi::Env env, Work work) {
  try {
    return work();
  } catch (const std::system_error& error) {
    throw errorFor(env, error);
  }
}

Napi::Value chip(const Napi::CallbackInfo& info) {
  const std::string path = info[0].As<Napi::String>();
  const Chip found = guarded(info.Env(), [&] { return chipInfo(path); });
  Napi::Object result = Napi::Object::New(info.Env());
  result["name"] = found.name;
  result["label"] = found.label;
  result["lines"] = Napi::Number::New(info.Env(), found.lines);
  return result;
}

Napi::Value line(const Napi::CallbackInfo& info) {
  const std::string path = info[0].As<Napi::String>();
  const uint32_t offset = info[1].As<Napi::Number>();
  const Line found = guarded(info.Env(), [&] { return lineInfo(path, offset); });
  Napi::Object result = Napi::Object::New(info.Env());
  result["name"] = found.name;
  result["consumer"] = found.consumer;
  result["used"] = found.used;
  return result;
}

Bias biasOf(const std::string& name) {
  if (name == "up") return Bias::pullUp;
  if (name == "down") return Bias::pullDown;
  return Bias::asIs;
}

Napi::Value request(const Napi::CallbackInfo& info) {
  const std::string path = info[0].As<Napi::String>();
  const auto options = info[1].As<Napi::Object>();
  Request wanted{};
  wanted.offset = options.Get("offset").As<Napi::Number>();
  wanted.consumer = options.Get("consumer").As<Napi::String>();
  wanted.output = options.Get("output").As<Napi::Boolean>();
  wanted.initial = options.Get("initial").As<Napi::Boolean>();
  wanted.activeLow = options.Get("activeLow").As<Napi::Boolean>();
  wanted.bias = biasOf(options.Get("bias").As<Napi::String>());
  wanted.debounceMicroseconds = options.Get("debounceMicroseconds").As<Napi::Number>();
  return Napi::Number::New(info.Env(), guarded(info.Env(), [&] { return requestLine(path, wanted); }));
}

Napi::Value get(const Napi::CallbackInfo& info) {
  const int descriptor = info[0].As<Napi::Number>();
  return Napi::Boolean::New(info.Env(), guarded(info.Env(), [&] { return getLine(descriptor); }));
}

void set(const Napi::CallbackInfo& info) {
  const int descriptor = info[0].As<Napi::Number>();
  const bool on = info[1].As<Napi::Boolean>();
  guarded(info.Env(), [&] { setLine(descriptor, on); });
}

void release(const Napi::CallbackInfo& info) { close(info[0].As<Napi::Number>().Int32Value()); }

Napi::Value watch(const Napi::CallbackInfo& info) {
  const auto list = info[0].As<Napi::Array>();
  std::vector<int> descriptors;
  for (uint32_t i = 0; i < list.Length(); i++) descriptors.push_back(list.Get(i).As<Napi::Number>());
  auto tell = Napi::ThreadSafeFunction::New(info.Env(), info[1].As<Napi::Function>(), "gpio edges", 0, 1);
  // The supervisor lives for other reasons; a watch alone keeps no program running.
  tell.Unref(info.Env());
  // The function is released with the listener, which is after its last call.
  const std::shared_ptr<Napi::ThreadSafeFunction> shared(new Napi::ThreadSafeFunction(tell), [](auto* function) {
    function->Release();
    delete function;
  });
  auto watching = guarded(info.Env(), [&] {
    return std::make_shared<Watch>(descriptors, [shared](int descriptor, int on) {
      shared->NonBlockingCall([descriptor, on](Napi::Env env, Napi::Function listener) {
        const Napi::Value level = on < 0 ? env.Undefined() : Napi::Boolean::New(env, on == 1);
        listener.Call({Napi::Number::New(env, descriptor), level});
      });
    });
  });
  return Napi::Function::New(info.Env(), [watching](const Napi::CallbackInfo&) mutable { watching.reset(); });
}

Napi::Object initialise(Napi::Env env, Napi::Object exports) {
  exports["chipInfo"] = Napi::Function::New(env, chip);
  exports["lineInfo"] = Napi::Function::New(env, line);
  exports["request"] = Napi::Function::New(env, request);
  exports["get"] = Napi::Function::New(env, get);
  exports["set"] = Napi::Function::New(env, set);
  exports["release"] = Napi::Function::New(env, release);
  exports["watch"] = Napi::Function::New(env, watch);
  return exports;
}

}  // namespace

NODE_API_MODULE(facelatch_gpio, initialise)

}  // namespace facelatch::gpio
