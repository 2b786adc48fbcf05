// The one exception type of the native side: a stable code for programs and one line for people.
#pragma once

#include <stdexcept>
#include <string>

namespace facelatch {

enum class Code { cameraSource, cameraOpen, cameraAbsent, cameraSilent, modelLoad, engine, closed };

inline const char* name(Code code) {
  switch (code) {
    case Code::cameraSource:
      return "CAMERA_SOURCE";
    case Code::cameraOpen:
      return "CAMERA_OPEN";
    case Code::cameraAbsent:
      return "CAMERA_ABSENT";
    case Code::cameraSilent:
      return "CAMERA_SILENT";
    case Code::modelLoad:
      return "MODEL_LOAD";
    case Code::engine:
      return "ENGINE";
    case Code::closed:
      return "CLOSED";
  }
  return "ENGINE";
}

class Error : public std::runtime_error {
 public:
  Error(Code code, const std::string& message) : std::runtime_error(message), code(code) {}
  Code code;
};

/// The runtimes' messages run over lines.
inline std::string oneLine(std::string text) {
  for (char& c : text) {
    if (c == '\n' || c == '\r') c = ' ';
  }
  return text;
}

}  // namespace facelatch
