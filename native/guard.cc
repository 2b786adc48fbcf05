/// The strike's guard: a process that outlives the supervisor and has nothing to do but end a strike.
///
/// It is started with the lock line's own descriptor, so the kernel never sees the line released, and with a pipe from
/// the supervisor. JetPack 6.2.2 and later keep the last value of a released line: a supervisor that died in mid-unlock
/// would leave the strike powered for ever.
///
///     facelatch-guard LINE REST MAX_ON_MS HANG_MS SUPERVISOR_PID    LINE: chardev, sysfs or log; REST: 0 or 1
///
/// Descriptor 0 brings one byte at a time: `p` alive, `1` the strike is about to be powered, `0` it was let go.
/// Descriptor 1 tells: `r` ready, `a` it heard of the supervisor, `x` the strike was on for too long and was let go.
/// Descriptor 3 is the line.
///
/// - end of file: the supervisor is gone, however it went: drive the line to REST and leave;
/// - silence for HANG_MS: it hangs or is stopped: drive the line to REST, kill it, so that init starts another;
/// - on for MAX_ON_MS: let go, whatever the supervisor thinks.
#include <fcntl.h>
#include <linux/gpio.h>
#include <poll.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <csignal>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <ctime>

namespace {

constexpr int pipeIn = 0;
constexpr int pipeOut = 1;
constexpr int line = 3;
constexpr int64_t never = INT64_MAX;

enum class Kind { chardev, sysfs, log };

int64_t now() {
  timespec time{};
  clock_gettime(CLOCK_MONOTONIC, &time);
  return int64_t{time.tv_sec} * 1000 + time.tv_nsec / 1'000'000;
}

bool writeAll(int descriptor, const char* text, size_t length) {
  ssize_t written = 0;
  do {
    written = write(descriptor, text, length);
  } while (written < 0 && errno == EINTR);
  return written == static_cast<ssize_t>(length);
}

bool driveLog(bool on) {
  timespec time{};
  clock_gettime(CLOCK_REALTIME, &time);
  tm utc{};
  gmtime_r(&time.tv_sec, &utc);
  char at[32];
  strftime(at, sizeof at, "%Y-%m-%dT%H:%M:%S", &utc);
  char row[96];
  const int length = snprintf(row, sizeof row, "{\"at\":\"%s.%03ldZ\",\"line\":\"lock\",\"value\":%d}\n", at,
                              time.tv_nsec / 1'000'000, on ? 1 : 0);
  return writeAll(line, row, static_cast<size_t>(length));
}

bool driveChardev(bool on) {
  gpio_v2_line_values values{};
  values.mask = 1;
  values.bits = on ? 1 : 0;
  return ioctl(line, GPIO_V2_LINE_SET_VALUES_IOCTL, &values) == 0;
}

struct Guard {
  Kind kind;
  bool rest;
  int64_t maxOn;
  int64_t hang;
  pid_t supervisor;
  bool level = false;
  int64_t onUntil = never;
  int64_t petUntil = 0;
  bool failed = false;

  void drive(bool on) {
    // A log shows changes; a real line is set again to be sure of it.
    if (kind == Kind::log && level == on) return;
    const bool done = kind == Kind::chardev ? driveChardev(on)
                      : kind == Kind::sysfs ? pwrite(line, on ? "1" : "0", 1, 0) == 1
                                            : driveLog(on);
    if (!done) {
      fprintf(stderr, "facelatch-guard: the lock line cannot be driven: %s; check the strike's hardware pulse limit\n",
              strerror(errno));
      failed = true;
    }
    level = on;
  }

  /// False at the end of the supervisor.
  bool listen() {
    char bytes[256];
    const ssize_t count = read(pipeIn, bytes, sizeof bytes);
    if (count < 0) return errno == EINTR || errno == EAGAIN;
    if (count == 0) return false;
    petUntil = now() + hang;
    writeAll(pipeOut, "a", 1);
    for (ssize_t i = 0; i < count; i++) {
      if (bytes[i] == '1') {
        level = true;
        onUntil = now() + maxOn;
      }
      if (bytes[i] == '0') {
        level = false;
        onUntil = never;
      }
    }
    return true;
  }

  void run() {
    petUntil = now() + hang;
    for (;;) {
      const int64_t left = std::min(onUntil, petUntil) - now();
      pollfd input{pipeIn, POLLIN, 0};
      if (poll(&input, 1, static_cast<int>(std::clamp<int64_t>(left, 0, 60'000))) > 0) {
        if (!listen()) return;
        continue;
      }
      if (now() >= petUntil) {
        drive(rest);
        onUntil = never;
        // The parent's number is its own until it has ended, and then it is our parent no more.
        if (getppid() == supervisor) kill(supervisor, SIGKILL);
        petUntil = now() + hang;
      }
      if (now() >= onUntil) {
        onUntil = never;
        drive(false);
        writeAll(pipeOut, "x", 1);
      }
    }
  }
};

void protectItself() {
  // Stopping a service signals every process of it: this one leaves by its own rules.
  for (const int signal : {SIGTERM, SIGINT, SIGHUP, SIGPIPE, SIGUSR1, SIGUSR2}) std::signal(signal, SIG_IGN);
  prctl(PR_SET_NAME, "facelatch-guard");
  // Both are best effort: they need rights that a trial at the desk lacks.
  mlockall(MCL_CURRENT | MCL_FUTURE);
  const int score = open("/proc/self/oom_score_adj", O_WRONLY | O_CLOEXEC);
  if (score >= 0) {
    if (write(score, "-1000", 5) < 0) errno = 0;
    close(score);
  }
}

}  // namespace

int main(int count, char** arguments) {
  if (count != 6) {
    fprintf(stderr, "facelatch-guard: started by facelatch only\n");
    return 2;
  }
  Guard guard{};
  guard.kind = strcmp(arguments[1], "chardev") == 0 ? Kind::chardev
               : strcmp(arguments[1], "sysfs") == 0 ? Kind::sysfs
                                                    : Kind::log;
  guard.rest = strcmp(arguments[2], "1") == 0;
  guard.maxOn = atoll(arguments[3]);
  guard.hang = atoll(arguments[4]);
  guard.supervisor = static_cast<pid_t>(atol(arguments[5]));
  protectItself();
  // Whoever does not read what it is told shall not keep this one from the line.
  fcntl(pipeOut, F_SETFL, fcntl(pipeOut, F_GETFL) | O_NONBLOCK);
  writeAll(pipeOut, "r", 1);
  guard.run();
  guard.drive(guard.rest);
  return guard.failed ? 1 : 0;
}
