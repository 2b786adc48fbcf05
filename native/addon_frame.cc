#include "addon.h"
#include "fingerprint.h"

namespace facelatch {
namespace {

// Proof that an object is a Frame: a prototype can be set to anything.
constexpr napi_type_tag frameTag = {0x6661636c61746368, 0x4672616d65000001};
constexpr int mostPixels = 16384;

class FrameWrap : public Napi::ObjectWrap<FrameWrap> {
 public:
  explicit FrameWrap(const Napi::CallbackInfo& info) : Napi::ObjectWrap<FrameWrap>(info) {
    if (!info[0].IsExternal()) throw argumentError(info.Env(), "Frame has no constructor; use Frame.fromRgb");
    picture_ = *info[0].As<Napi::External<PicturePtr>>().Data();
    width_ = picture_->width;
    height_ = picture_->height;
    sequence_ = picture_->sequence;
    at_ = picture_->at;
    arrived_ = picture_->arrived;
    info.This().As<Napi::Object>().TypeTag(&frameTag);
    // Without it the collector sees a few bytes and lets megabytes wait.
    Napi::MemoryManagement::AdjustExternalMemory(info.Env(), bytes());
  }

  ~FrameWrap() override { drop(Env()); }

  static Napi::Function define(Napi::Env env) {
    return DefineClass(
        env, "Frame",
        {StaticMethod<&FrameWrap::fromRgb>("fromRgb"), InstanceAccessor<&FrameWrap::width>("width", napi_enumerable),
         InstanceAccessor<&FrameWrap::height>("height", napi_enumerable),
         InstanceAccessor<&FrameWrap::sequence>("sequence", napi_enumerable),
         InstanceAccessor<&FrameWrap::at>("at", napi_enumerable),
         InstanceAccessor<&FrameWrap::arrived>("arrived", napi_enumerable),
         InstanceMethod<&FrameWrap::fingerprint>("fingerprint"), InstanceMethod<&FrameWrap::rgb>("rgb"),
         InstanceMethod<&FrameWrap::release>("release")});
  }

  PicturePtr picture(Napi::Env env) const {
    if (!picture_)
      throw codedError(env, name(Code::closed), "the frame has been released; release it after its last use");
    return picture_;
  }

 private:
  static Napi::Value fromRgb(const Napi::CallbackInfo& info) {
    const Napi::Env env = info.Env();
    const auto size = [&](size_t index, const char* name) {
      const double value = info[index].IsNumber() ? info[index].As<Napi::Number>().DoubleValue() : 0;
      if (!(value >= 1 && value <= mostPixels) || value != static_cast<int>(value)) {
        throw argumentError(env, std::string(name) + " must be a whole number from 1 to " + std::to_string(mostPixels));
      }
      return static_cast<int>(value);
    };
    if (!info[0].IsTypedArray() || info[0].As<Napi::TypedArray>().TypedArrayType() != napi_uint8_array) {
      throw argumentError(env, "pixels must be a Uint8Array");
    }
    const auto pixels = info[0].As<Napi::Uint8Array>();
    const int width = size(1, "width"), height = size(2, "height");
    const size_t bytes = static_cast<size_t>(width) * height * 3;
    if (pixels.ByteLength() != bytes) {
      throw argumentError(env, "pixels must hold width * height * 3 = " + std::to_string(bytes) + " bytes, not " +
                                   std::to_string(pixels.ByteLength()));
    }
    const uint8_t* data = pixels.Data();
    return frameObject(env, std::make_shared<Picture>(std::vector<uint8_t>(data, data + bytes), width, height));
  }

  Napi::Value width(const Napi::CallbackInfo& info) { return Napi::Number::New(info.Env(), width_); }
  Napi::Value height(const Napi::CallbackInfo& info) { return Napi::Number::New(info.Env(), height_); }
  Napi::Value sequence(const Napi::CallbackInfo& info) { return Napi::Number::New(info.Env(), sequence_); }
  Napi::Value at(const Napi::CallbackInfo& info) { return Napi::Number::New(info.Env(), at_); }
  Napi::Value arrived(const Napi::CallbackInfo& info) { return Napi::Number::New(info.Env(), arrived_); }

  Napi::Value fingerprint(const Napi::CallbackInfo& info) {
    return Napi::Number::New(info.Env(), facelatch::fingerprint(picture(info.Env())->view()));
  }

  Napi::Value rgb(const Napi::CallbackInfo& info) {
    const PicturePtr held = picture(info.Env());
    return Napi::Buffer<uint8_t>::Copy(info.Env(), held->rgb().data(), held->rgb().size());
  }

  void release(const Napi::CallbackInfo& info) { drop(info.Env()); }

  int64_t bytes() const { return static_cast<int64_t>(picture_->bytes()); }

  void drop(Napi::Env env) {
    if (!picture_) return;
    Napi::MemoryManagement::AdjustExternalMemory(env, -bytes());
    picture_.reset();
  }

  PicturePtr picture_;
  // Kept apart from the pixels: numbers stay readable after release, for logs.
  double width_ = 0;
  double height_ = 0;
  double sequence_ = 0;
  double at_ = 0;
  double arrived_ = 0;
};

}  // namespace

Napi::Function defineFrame(Napi::Env env) { return FrameWrap::define(env); }

Napi::Object frameObject(Napi::Env env, PicturePtr picture) {
  return Addon::of(env).frame.New({Napi::External<PicturePtr>::New(env, &picture)});
}

PicturePtr pictureOfFrame(const Napi::Value& value) {
  if (!value.IsObject() || !value.As<Napi::Object>().CheckTypeTag(&frameTag)) {
    throw argumentError(value.Env(), "frame must be a Frame");
  }
  return FrameWrap::Unwrap(value.As<Napi::Object>())->picture(value.Env());
}

}  // namespace facelatch
