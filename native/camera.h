// A camera on a thread of its own. Pulls are timed, so a source that stops sending blocks nothing.
#pragma once

#include <chrono>
#include <condition_variable>
#include <cstdint>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <vector>

#include "camera_source.h"
#include "picture.h"

namespace facelatch {

class Pipeline;

struct CameraOutcome {
  enum class Type { frame, end, stall, error };
  Type type;
  PicturePtr picture{};
  double seconds = 0;
  std::string message{};
};

struct CameraStats {
  uint64_t decoded = 0;
  uint64_t delivered = 0;
  uint64_t dropped = 0;
};

class Camera : public std::enable_shared_from_this<Camera>, Counted<Camera> {
 public:
  using Counted<Camera>::alive;
  /// Without an error the camera has decoded its first frame.
  using Opened = std::function<void(const std::optional<Error>&)>;
  using Answer = std::function<void(const CameraOutcome&)>;
  using Closed = std::function<void()>;

  /// Starts the thread, which holds a reference to the camera until it ends. `opened` is called once, on any thread.
  /// Throws CAMERA_SOURCE.
  static std::shared_ptr<Camera> open(CameraOptions options, Opened opened);

  /// `answer` is called once, on this thread or the camera's. False, and nothing else, while another one is pending.
  /// After `end` or `error` the same outcome comes again.
  bool next(Answer answer);
  CameraStats stats();
  /// Asks the thread to end; a pending answer is `end`. `closed`, if given, is called once when it has ended, on any
  /// thread.
  void close(Closed closed = nullptr);
  /// False when the thread still runs after `limit`.
  bool waitClosed(std::chrono::milliseconds limit);

  /// Ends every camera of this process, waiting at most `limit`: for exit(), which destroys what their threads use.
  static void closeAll(std::chrono::milliseconds limit);

 private:
  using TimePoint = std::chrono::steady_clock::time_point;

  Camera(CameraOptions options, Opened opened);
  void run();
  std::optional<Error> watch(Pipeline& pipeline);
  bool waitForRoom();
  void take(std::unique_ptr<Picture> picture);
  void finish(CameraOutcome outcome);
  std::optional<CameraOutcome> ready();
  void answer(std::unique_lock<std::mutex>& lock);
  void announce(const std::optional<Error>& error);

  const CameraOptions options_;
  const Source source_;
  /// Nothing is dropped: the pipeline waits until the frame has been asked for.
  const bool everyFrame_;

  // The camera thread's own.
  double lastAt_ = -1;
  double step_ = 40;
  double offset_ = 0;
  double firstArrival_ = 0;
  bool rewound_ = false;

  std::mutex mutex_;
  std::condition_variable changed_;
  Opened opened_;
  Answer pending_;
  std::vector<Closed> closers_;
  PicturePtr newest_;
  std::optional<CameraOutcome> last_;
  CameraStats stats_;
  TimePoint lastFrame_;
  /// Since when a frame has been owed: the last frame, the last report of a stall, or room for another frame.
  TimePoint owedSince_;
  bool stopping_ = false;
  bool finished_ = false;
};

}  // namespace facelatch
