#include "camera.h"

#include <algorithm>
#include <cmath>
#include <thread>

#include "pipeline.h"

namespace facelatch {
namespace {

using Clock = std::chrono::steady_clock;

constexpr std::chrono::milliseconds pullLimit{100};
constexpr double leastFirstFrameSeconds = 5;

double secondsSince(Clock::time_point start) { return std::chrono::duration<double>(Clock::now() - start).count(); }

std::string secondsText(double seconds) {
  const std::string text = std::to_string(std::round(seconds * 10) / 10);
  return text.substr(0, text.find('.') + 2) + " s";
}

/// Never destroyed: camera threads may outlive static objects at exit.
struct Registry {
  std::mutex mutex;
  std::vector<std::weak_ptr<Camera>> cameras;
};

Registry& registry() {
  static auto& instance = *new Registry;
  return instance;
}

}  // namespace

std::shared_ptr<Camera> Camera::open(CameraOptions options, Opened opened) {
  const std::shared_ptr<Camera> camera(new Camera(std::move(options), std::move(opened)));
  {
    Registry& all = registry();
    const std::lock_guard<std::mutex> lock(all.mutex);
    const auto gone = [](const std::weak_ptr<Camera>& entry) { return entry.expired(); };
    all.cameras.erase(std::remove_if(all.cameras.begin(), all.cameras.end(), gone), all.cameras.end());
    all.cameras.push_back(camera);
  }
  // Detached, since a wait for it must have a limit; finished_ says when it has ended.
  std::thread([camera] { camera->run(); }).detach();
  return camera;
}

Camera::Camera(CameraOptions options, Opened opened)
    : options_(std::move(options)),
      source_(options_.source),
      everyFrame_(!options_.realtime && !source_.endless()),
      opened_(std::move(opened)) {}

bool Camera::next(Answer answer) {
  std::unique_lock<std::mutex> lock(mutex_);
  if (pending_) return false;
  pending_ = std::move(answer);
  this->answer(lock);
  return true;
}

CameraStats Camera::stats() {
  const std::lock_guard<std::mutex> lock(mutex_);
  return stats_;
}

void Camera::close(Closed closed) {
  std::unique_lock<std::mutex> lock(mutex_);
  stopping_ = true;
  newest_.reset();
  changed_.notify_all();
  const bool already = finished_;
  if (!already && closed) closers_.push_back(closed);
  answer(lock);
  if (lock.owns_lock()) lock.unlock();
  if (already && closed) closed();
}

bool Camera::waitClosed(std::chrono::milliseconds limit) {
  std::unique_lock<std::mutex> lock(mutex_);
  return changed_.wait_for(lock, limit, [this] { return finished_; });
}

void Camera::closeAll(std::chrono::milliseconds limit) {
  std::vector<std::shared_ptr<Camera>> living;
  {
    Registry& all = registry();
    const std::lock_guard<std::mutex> lock(all.mutex);
    for (const auto& entry : all.cameras) {
      if (auto camera = entry.lock()) living.push_back(std::move(camera));
    }
  }
  const auto deadline = Clock::now() + limit;
  for (const auto& camera : living) camera->close();
  for (const auto& camera : living) {
    const auto left = std::chrono::duration_cast<std::chrono::milliseconds>(deadline - Clock::now());
    camera->waitClosed(std::max(left, std::chrono::milliseconds(0)));
  }
}

void Camera::run() {
  std::optional<Error> failure;
  try {
    initialiseGStreamer();
    Pipeline pipeline(Owned<GstElement>(source_.build(options_)));
    pipeline.start();
    failure = watch(pipeline);
  } catch (const Error& error) {
    failure = error;
  } catch (const std::exception& error) {
    failure = Error(Code::cameraOpen, source_.message("cannot open", error.what()));
  }
  if (failure) finish({CameraOutcome::Type::error, nullptr, 0, failure->what()});
  announce(failure ? failure : Error(Code::closed, source_.message("cannot open", "closed while opening")));
  std::unique_lock<std::mutex> lock(mutex_);
  finished_ = true;
  const std::vector<Closed> closers = std::move(closers_);
  changed_.notify_all();
  lock.unlock();
  for (const Closed& closed : closers) closed();
}

/// Runs until the stream ends, fails or is closed. An error returned means that there never was a first frame.
std::optional<Error> Camera::watch(Pipeline& pipeline) {
  const double firstFrameSeconds =
      options_.openSeconds > 0 ? options_.openSeconds : std::max(leastFirstFrameSeconds, options_.stallSeconds);
  const auto start = Clock::now();
  bool open = false;
  bool sinceRewind = false;
  const auto stop = [&](CameraOutcome::Type type, const std::string& message,
                        Code code = Code::cameraOpen) -> std::optional<Error> {
    if (!open) return Error(code, message);
    finish({type, nullptr, 0, message});
    return std::nullopt;
  };
  while (waitForRoom()) {
    pipeline.poll();
    if (const Owned<GstSample> sample = pipeline.pull(pullLimit)) {
      if (std::unique_ptr<Picture> picture = pictureOf(sample.get())) {
        take(std::move(picture));
        if (!open) announce(std::nullopt);
        open = sinceRewind = true;
        continue;
      }
    }
    const std::string what = open ? "lost" : "cannot open";
    if (pipeline.failed()) {
      pipeline.poll();
      const std::string message = pipeline.error() != nullptr ? source_.message(what, pipeline.error())
                                                              : source_.message(what, "the pipeline would not start");
      return stop(CameraOutcome::Type::error, message);
    }
    if (pipeline.ended()) {
      if (!open)
        return stop(CameraOutcome::Type::error, source_.message(what, "it ended without a picture"),
                    Code::cameraSilent);
      // nvarguscamerasrc ends its stream where it ought to report an error.
      if (source_.endless())
        return stop(CameraOutcome::Type::error, source_.message(what, "the stream ended by itself"));
      if (!options_.loop) return stop(CameraOutcome::Type::end, "");
      if (!sinceRewind || !pipeline.rewind()) {
        return stop(CameraOutcome::Type::error, source_.message("cannot loop", "the source cannot start again"));
      }
      rewound_ = true;
      sinceRewind = false;
    }
    if (!open && secondsSince(start) > firstFrameSeconds) {
      return stop(CameraOutcome::Type::error,
                  source_.message(what, "no first frame within " + secondsText(firstFrameSeconds)), Code::cameraSilent);
    }
    std::unique_lock<std::mutex> lock(mutex_);
    answer(lock);
  }
  return std::nullopt;
}

/// False when the camera is to be closed.
bool Camera::waitForRoom() {
  std::unique_lock<std::mutex> lock(mutex_);
  if (everyFrame_) changed_.wait(lock, [this] { return stopping_ || !newest_; });
  return !stopping_;
}

void Camera::take(std::unique_ptr<Picture> picture) {
  if (lastAt_ < 0) firstArrival_ = picture->arrived;
  double at = picture->at >= 0 ? picture->at : picture->arrived - firstArrival_;
  if (rewound_) offset_ = lastAt_ + step_ - at;
  rewound_ = false;
  at += offset_;
  // Some cameras repeat a time stamp or go back; trackers divide by the difference.
  if (at <= lastAt_) at = lastAt_ + 1;
  if (lastAt_ >= 0) step_ = at - lastAt_;
  picture->at = lastAt_ = at;

  std::unique_lock<std::mutex> lock(mutex_);
  if (stopping_) return;
  picture->sequence = static_cast<double>(++stats_.decoded);
  if (newest_) ++stats_.dropped;
  newest_ = std::move(picture);
  lastFrame_ = owedSince_ = Clock::now();
  answer(lock);
}

void Camera::finish(CameraOutcome outcome) {
  std::unique_lock<std::mutex> lock(mutex_);
  last_ = std::move(outcome);
  answer(lock);
}

/// What `next` would answer now. Holding mutex_.
std::optional<CameraOutcome> Camera::ready() {
  if (stopping_) return CameraOutcome{CameraOutcome::Type::end};
  if (newest_) {
    ++stats_.delivered;
    if (everyFrame_) owedSince_ = Clock::now();
    changed_.notify_all();
    return CameraOutcome{CameraOutcome::Type::frame, std::move(newest_)};
  }
  if (last_) return last_;
  if (stats_.decoded == 0 || secondsSince(owedSince_) < options_.stallSeconds) return std::nullopt;
  owedSince_ = Clock::now();
  return CameraOutcome{CameraOutcome::Type::stall, nullptr, secondsSince(lastFrame_)};
}

/// Answers a pending `next` if there is something to say; leaves the lock released then, since the callee may call
/// back.
void Camera::answer(std::unique_lock<std::mutex>& lock) {
  if (!pending_) return;
  const std::optional<CameraOutcome> outcome = ready();
  if (!outcome) return;
  const Answer callee = std::move(pending_);
  pending_ = nullptr;
  lock.unlock();
  callee(*outcome);
}

void Camera::announce(const std::optional<Error>& error) {
  std::unique_lock<std::mutex> lock(mutex_);
  const Opened callee = std::move(opened_);
  opened_ = nullptr;
  lock.unlock();
  if (callee) callee(error);
}

}  // namespace facelatch
