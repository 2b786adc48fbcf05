#include "gpio_chardev.h"

#include <fcntl.h>
#include <linux/gpio.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <condition_variable>
#include <cstring>
#include <mutex>
#include <system_error>
#include <thread>
#include <utility>

namespace facelatch::gpio {
namespace {

[[noreturn]] void fail(const std::string& what) { throw std::system_error(errno, std::generic_category(), what); }

class Descriptor {
 public:
  explicit Descriptor(int value) : value_(value) {}
  ~Descriptor() {
    if (value_ >= 0) close(value_);
  }
  Descriptor(const Descriptor&) = delete;
  Descriptor& operator=(const Descriptor&) = delete;
  int get() const { return value_; }

 private:
  int value_;
};

int openChip(const std::string& path) {
  // Write access is what the kernel's node asks for by default; reading alone is enough for every call made here.
  const int chip = open(path.c_str(), O_RDWR | O_CLOEXEC);
  if (chip < 0) fail("open " + path);
  return chip;
}

void call(int descriptor, unsigned long number, void* argument, const char* name) {
  while (ioctl(descriptor, number, argument) < 0) {
    if (errno != EINTR) fail(name);
  }
}

template <size_t size>
std::string text(const char (&field)[size]) {
  return std::string(field, strnlen(field, size));
}

uint64_t flagsOf(const Request& request) {
  uint64_t flags = request.output
                       ? GPIO_V2_LINE_FLAG_OUTPUT
                       : GPIO_V2_LINE_FLAG_INPUT | GPIO_V2_LINE_FLAG_EDGE_RISING | GPIO_V2_LINE_FLAG_EDGE_FALLING;
  if (request.activeLow) flags |= GPIO_V2_LINE_FLAG_ACTIVE_LOW;
  if (request.bias == Bias::pullUp) flags |= GPIO_V2_LINE_FLAG_BIAS_PULL_UP;
  if (request.bias == Bias::pullDown) flags |= GPIO_V2_LINE_FLAG_BIAS_PULL_DOWN;
  if (request.bias == Bias::none) flags |= GPIO_V2_LINE_FLAG_BIAS_DISABLED;
  return flags;
}

}  // namespace

Chip chipInfo(const std::string& path) {
  const Descriptor chip(openChip(path));
  gpiochip_info info{};
  call(chip.get(), GPIO_GET_CHIPINFO_IOCTL, &info, "GPIO_GET_CHIPINFO");
  return {text(info.name), text(info.label), info.lines};
}

Line lineInfo(const std::string& path, uint32_t offset) {
  const Descriptor chip(openChip(path));
  gpio_v2_line_info info{};
  info.offset = offset;
  call(chip.get(), GPIO_V2_GET_LINEINFO_IOCTL, &info, "GPIO_V2_GET_LINEINFO");
  return {text(info.name), text(info.consumer), (info.flags & GPIO_V2_LINE_FLAG_USED) != 0};
}

int requestLine(const std::string& path, const Request& request) {
  const Descriptor chip(openChip(path));
  gpio_v2_line_request wanted{};
  wanted.offsets[0] = request.offset;
  wanted.num_lines = 1;
  request.consumer.copy(wanted.consumer, sizeof wanted.consumer - 1);
  wanted.config.flags = flagsOf(request);
  if (request.output) {
    auto& attribute = wanted.config.attrs[wanted.config.num_attrs++];
    attribute.attr.id = GPIO_V2_LINE_ATTR_ID_OUTPUT_VALUES;
    attribute.attr.values = request.initial ? 1 : 0;
    attribute.mask = 1;
  } else if (request.debounceMicroseconds > 0) {
    auto& attribute = wanted.config.attrs[wanted.config.num_attrs++];
    attribute.attr.id = GPIO_V2_LINE_ATTR_ID_DEBOUNCE;
    attribute.attr.debounce_period_us = request.debounceMicroseconds;
    attribute.mask = 1;
  }
  call(chip.get(), GPIO_V2_GET_LINE_IOCTL, &wanted, "GPIO_V2_GET_LINE");
  if (!request.output) fcntl(wanted.fd, F_SETFL, fcntl(wanted.fd, F_GETFL) | O_NONBLOCK);
  return wanted.fd;
}

bool getLine(int descriptor) {
  gpio_v2_line_values values{};
  values.mask = 1;
  call(descriptor, GPIO_V2_LINE_GET_VALUES_IOCTL, &values, "GPIO_V2_LINE_GET_VALUES");
  return (values.bits & 1) != 0;
}

void setLine(int descriptor, bool on) {
  gpio_v2_line_values values{};
  values.mask = 1;
  values.bits = on ? 1 : 0;
  call(descriptor, GPIO_V2_LINE_SET_VALUES_IOCTL, &values, "GPIO_V2_LINE_SET_VALUES");
}

/// Shared with the thread, which is detached: a program that exits without stopping it must not be torn down.
struct Watch::State {
  State() : poller(epoll_create1(EPOLL_CLOEXEC)), stop(eventfd(0, EFD_CLOEXEC)) {}

  Descriptor poller;
  Descriptor stop;
  Listener listener;
  std::mutex mutex;
  std::condition_variable changed;
  bool ended = false;

  void add(int descriptor) {
    epoll_event event{};
    event.events = EPOLLIN;
    event.data.fd = descriptor;
    if (epoll_ctl(poller.get(), EPOLL_CTL_ADD, descriptor, &event) < 0) fail("epoll_ctl");
  }

  /// All edges that wait. False when the line is gone.
  bool drain(int descriptor) {
    for (;;) {
      gpio_v2_line_event events[16];
      const ssize_t bytes = read(descriptor, events, sizeof events);
      if (bytes < 0 && errno == EINTR) continue;
      if (bytes < 0) return errno == EAGAIN;
      if (bytes == 0) return false;
      const size_t count = static_cast<size_t>(bytes) / sizeof events[0];
      for (size_t i = 0; i < count; i++) listener(descriptor, events[i].id == GPIO_V2_LINE_EVENT_RISING_EDGE ? 1 : 0);
    }
  }

  void run() {
    for (;;) {
      epoll_event ready[16];
      const int count = epoll_wait(poller.get(), ready, 16, -1);
      if (count < 0 && errno != EINTR) return;
      for (int i = 0; i < count; i++) {
        const int descriptor = ready[i].data.fd;
        if (descriptor == stop.get()) return;
        if (drain(descriptor) && (ready[i].events & (EPOLLHUP | EPOLLERR)) == 0) continue;
        epoll_ctl(poller.get(), EPOLL_CTL_DEL, descriptor, nullptr);
        listener(descriptor, -1);
      }
    }
  }
};

Watch::Watch(const std::vector<int>& descriptors, Listener listener) : state_(std::make_shared<State>()) {
  if (state_->poller.get() < 0 || state_->stop.get() < 0) fail("epoll_create1");
  state_->listener = std::move(listener);
  state_->add(state_->stop.get());
  for (const int descriptor : descriptors) state_->add(descriptor);
  std::thread([state = state_] {
    state->run();
    // Whatever the listener owns goes before the watch is said to have ended.
    state->listener = nullptr;
    const std::lock_guard<std::mutex> lock(state->mutex);
    state->ended = true;
    state->changed.notify_all();
  }).detach();
}

Watch::~Watch() {
  const uint64_t one = 1;
  while (write(state_->stop.get(), &one, sizeof one) < 0 && errno == EINTR) {
  }
  std::unique_lock<std::mutex> lock(state_->mutex);
  state_->changed.wait(lock, [this] { return state_->ended; });
}

}  // namespace facelatch::gpio
