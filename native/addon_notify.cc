/// An addon of its own, without GStreamer and ONNX Runtime: the supervisor loads it. Its contract: notify.d.ts.
#include <napi.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <cerrno>
#include <cstddef>
#include <cstring>
#include <string>

namespace {

/// 0, or the kernel's error number.
int sendDatagram(const std::string& path, const std::string& text) {
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  if (path.size() < 2 || path.size() >= sizeof address.sun_path) return EINVAL;
  memcpy(address.sun_path, path.data(), path.size());
  // sd_notify(3): a leading @ stands for the abstract name space, whose names have no end but their length.
  if (path[0] == '@') address.sun_path[0] = '\0';
  const auto length = static_cast<socklen_t>(offsetof(sockaddr_un, sun_path) + path.size());
  const int socket = ::socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
  if (socket < 0) return errno;
  // An init that does not read must not stop the door.
  const ssize_t sent = sendto(socket, text.data(), text.size(), MSG_NOSIGNAL | MSG_DONTWAIT,
                              reinterpret_cast<const sockaddr*>(&address), length);
  const int error = sent < 0 ? errno : 0;
  close(socket);
  return error;
}

void send(const Napi::CallbackInfo& info) {
  const std::string path = info[0].As<Napi::String>();
  const std::string text = info[1].As<Napi::String>();
  const int error = sendDatagram(path, text);
  if (error == 0) return;
  Napi::Error failure = Napi::Error::New(info.Env(), std::strerror(error));
  failure.Set("errno", Napi::Number::New(info.Env(), error));
  throw failure;
}

Napi::Object start(Napi::Env env, Napi::Object exports) {
  exports["send"] = Napi::Function::New(env, send, "send");
  return exports;
}

}  // namespace

NODE_API_MODULE(facelatch_notify, start)
