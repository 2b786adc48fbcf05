// The engine check: the same recognizer as in the addon, without Node, camera or door, so that it can be carried to any
// machine with a GPU. Its numbers are for people and its exit code for scripts.
#pragma once

#include <string>
#include <vector>

#include "picture.h"
#include "recognizer.h"

namespace facelatch::check {

struct Setup {
  std::string models;
  /// Folder of plans; empty keeps none.
  std::string plans;
  /// dlib-resnet or mobilefacenet-192.
  std::string embedder = "mobilefacenet-192";
  /// mtcnn or yunet.
  std::string detector = "mtcnn";
  /// Whether MiniFASNet judges, too.
  bool liveness = false;
  /// Whether pictures come as a Jetson's camera gives them.
  bool nv12 = false;
};

struct NamedPicture {
  std::string name;
  PicturePtr picture;
};

/// Binary PPM, 8 bits. Throws std::runtime_error with the file's name.
PicturePtr readPpm(const std::string& path);
/// Every .ppm under `folder` by its path in there without the ending, sorted, at most `most`.
std::vector<NamedPicture> readPictures(const Setup& setup, const std::string& folder, size_t most);
/// 640x480, mid grey, with `count` of the pictures on it: one at 250 pixels, or up to twelve at 160.
PicturePtr scene(const Setup& setup, const std::vector<NamedPicture>& pictures, size_t count);

/// The shipped configuration, but for what `setup` asks for. Throws std::runtime_error for a name it does not know.
RecognizerOptions options(const Setup& setup, EngineChoice engine, Precision precision);
/// Loads, and prints which engine it is, how long that took and what it notes.
std::unique_ptr<Recognizer> load(const RecognizerOptions& options);

double median(std::vector<double> values);
double percentile(std::vector<double> values, double share);

/// Each answers the number of checks that failed.
int parity(const Setup& setup, const std::string& pictures, const std::string& pairs);
int timing(const Setup& setup, const std::string& pictures, int frames);
int faults(const Setup& setup, const std::string& full, const std::string& orphan);
int growth(const Setup& setup, const std::string& pictures, int frames);

}  // namespace facelatch::check
