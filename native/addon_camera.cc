#include "addon.h"

namespace facelatch {
namespace {

using CameraPtr = std::shared_ptr<Camera>;

CameraOptions readOptions(const Napi::Value& value) {
  const Options given(value, "options");
  CameraOptions options;
  options.source = given.string("source");
  if (given.has("width")) options.width = given.integer("width", 1, 16384);
  if (given.has("height")) options.height = given.integer("height", 1, 16384);
  if (given.has("fps")) options.fps = given.integer("fps", 1, 1000);
  if (given.has("loop")) options.loop = given.boolean("loop");
  if (given.has("realtime")) options.realtime = given.boolean("realtime");
  if (given.has("stallSeconds")) options.stallSeconds = given.number("stallSeconds", 0.1, 3600);
  if (given.has("openSeconds")) options.openSeconds = given.number("openSeconds", 0.1, 3600);
  if (given.has("pixels")) options.nv12 = given.oneOf("pixels", {"rgb", "nv12"}) == "nv12";
  if (given.has("properties")) options.properties = given.texts("properties");
  return options;
}

Napi::Object outcomeObject(Napi::Env env, const CameraOutcome& outcome) {
  Napi::Object result = Napi::Object::New(env);
  switch (outcome.type) {
    case CameraOutcome::Type::frame:
      result["type"] = "frame";
      result["frame"] = frameObject(env, outcome.picture);
      break;
    case CameraOutcome::Type::end:
      result["type"] = "end";
      break;
    case CameraOutcome::Type::stall:
      result["type"] = "stall";
      result["seconds"] = outcome.seconds;
      break;
    case CameraOutcome::Type::error:
      result["type"] = "error";
      result["message"] = outcome.message;
      break;
  }
  return result;
}

class CameraWrap : public Napi::ObjectWrap<CameraWrap> {
 public:
  explicit CameraWrap(const Napi::CallbackInfo& info) : Napi::ObjectWrap<CameraWrap>(info) {
    if (!info[0].IsExternal()) throw argumentError(info.Env(), "Camera has no constructor; use Camera.open");
    camera_ = *info[0].As<Napi::External<CameraPtr>>().Data();
  }

  ~CameraWrap() override {
    if (camera_) camera_->close();
  }

  static Napi::Function define(Napi::Env env) {
    return DefineClass(env, "Camera",
                       {StaticMethod<&CameraWrap::open>("open"), InstanceMethod<&CameraWrap::next>("next"),
                        InstanceMethod<&CameraWrap::stats>("stats"), InstanceMethod<&CameraWrap::close>("close")});
  }

 private:
  static Napi::Value open(const Napi::CallbackInfo& info) {
    return promised(info.Env(), [&](Napi::Promise::Deferred deferred) {
      Addon& addon = Addon::of(info.Env());
      // The callback needs the camera that open has yet to return; both only meet on the JavaScript thread.
      const auto camera = std::make_shared<CameraPtr>();
      const auto opened = [deferred, camera, mailbox = addon.mailbox](const std::optional<Error>& error) {
        mailbox->post([deferred, camera, error](Napi::Env env) {
          if (error) {
            deferred.Reject(errorFor(env, std::make_exception_ptr(*error)).Value());
          } else {
            deferred.Resolve(Addon::of(env).camera.New({Napi::External<CameraPtr>::New(env, camera.get())}));
          }
          camera->reset();
        });
      };
      *camera = Camera::open(readOptions(info[0]), opened);
      addon.mailbox->expect(info.Env());
      addon.remember(*camera);
    });
  }

  Napi::Value next(const Napi::CallbackInfo& info) {
    return promised(info.Env(), [&](Napi::Promise::Deferred deferred) {
      if (closed_) throw codedError(info.Env(), name(Code::closed), "the camera is closed; open it again");
      const auto mailbox = Addon::of(info.Env()).mailbox;
      const bool taken = camera_->next([this, deferred, mailbox](const CameraOutcome& outcome) {
        mailbox->post([this, deferred, outcome](Napi::Env env) {
          Unref();
          deferred.Resolve(outcomeObject(env, outcome));
        });
      });
      if (!taken) throw codedError(info.Env(), "BUSY", "a next is already pending; wait for it first");
      // Uncollectable while its promise is pending. The answer cannot come in between: it needs this thread.
      Ref();
      mailbox->expect(info.Env());
    });
  }

  Napi::Value stats(const Napi::CallbackInfo& info) {
    const CameraStats stats = camera_->stats();
    Napi::Object result = Napi::Object::New(info.Env());
    result["decoded"] = static_cast<double>(stats.decoded);
    result["delivered"] = static_cast<double>(stats.delivered);
    result["dropped"] = static_cast<double>(stats.dropped);
    return result;
  }

  Napi::Value close(const Napi::CallbackInfo& info) {
    return promised(info.Env(), [&](Napi::Promise::Deferred deferred) {
      closed_ = true;
      const auto mailbox = Addon::of(info.Env()).mailbox;
      mailbox->expect(info.Env());
      camera_->close(
          [deferred, mailbox] { mailbox->post([deferred](Napi::Env env) { deferred.Resolve(env.Undefined()); }); });
    });
  }

  CameraPtr camera_;
  bool closed_ = false;
};

}  // namespace

Napi::Function defineCamera(Napi::Env env) { return CameraWrap::define(env); }

}  // namespace facelatch
