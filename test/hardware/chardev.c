/* Two simulated GPIO chips for unmodified programs, where the kernel has no gpio-sim. The program's ioctl calls on
 * /dev/gpiochipN and on its lines are caught by seccomp's user notification and answered here, with descriptors put
 * into the program as the kernel would. So the calls, their structures and the poll and read of edges are real; the
 * chip and gpiolib are not: no kernel's GPIO code runs.
 *
 *   bench_chardev PROGRAM ARGUMENT...      see bench.h
 *
 * gpiochip0 "bench-aon", 4 lines without names, all held by "fan-sense"; gpiochip1 "bench-gpio", 16 lines L0 to L15, of
 * which L14 is held by "fan-sense". */
#define _GNU_SOURCE
#include <errno.h>
#include <linux/filter.h>
#include <linux/gpio.h>
#include <linux/seccomp.h>
#include <sched.h>
#include <stddef.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/uio.h>

#include "bench.h"

enum { HELD = 14 };

static struct line {
  char consumer[GPIO_MAX_NAME_SIZE];
  int used, output, level, active_low;
  int peer; /* our end of the socket that the program has as its line */
  ino_t given;
  /* Debouncing as gpiolib's: an edge counts once the level was steady for this long. */
  int64_t debounce_ns, settles_at;
  int told;
  uint32_t edges;
} lines[LINES];

static int notifier;

static void put_together_dev(void) {
  static const char* const kept[] = {"null", "zero", "full", "random", "urandom", "tty"};
  char folder[] = "/tmp/bench-dev-XXXXXX", target[64], source[64];
  if (!mkdtemp(folder) || mount("tmpfs", folder, "tmpfs", 0, "mode=755") < 0) die("tmpfs");
  for (size_t i = 0; i < sizeof kept / sizeof kept[0]; i++) {
    snprintf(source, sizeof source, "/dev/%s", kept[i]);
    snprintf(target, sizeof target, "%s/%s", folder, kept[i]);
    close(open(target, O_CREAT | O_WRONLY, 0666));
    if (mount(source, target, NULL, MS_BIND, NULL) < 0) die(source);
  }
  snprintf(target, sizeof target, "%s/fd", folder);
  if (symlink("/proc/self/fd", target) < 0) die("symlink");
  snprintf(target, sizeof target, "%s/shm", folder);
  mkdir(target, 01777);
  for (int chip = 0; chip < 2; chip++) {
    snprintf(target, sizeof target, "%s/gpiochip%d", folder, chip);
    close(open(target, O_CREAT | O_WRONLY, 0660));
  }
  if (mount(folder, "/dev", NULL, MS_MOVE, NULL) < 0) die("mount --move /dev");
  rmdir(folder);
}

/* In the child: from here on its GPIO calls, and its children's, wait for our answer. */
static int install_filter(void) {
#define CATCH(number) \
  BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, (uint32_t)(number), 0, 1), BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_USER_NOTIF)
  struct sock_filter rules[] = {
      BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
      BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, __NR_ioctl, 1, 0),
      BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
      BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, args[1])),
      CATCH(GPIO_GET_CHIPINFO_IOCTL),
      CATCH(GPIO_V2_GET_LINEINFO_IOCTL),
      CATCH(GPIO_V2_GET_LINE_IOCTL),
      CATCH(GPIO_V2_LINE_GET_VALUES_IOCTL),
      CATCH(GPIO_V2_LINE_SET_VALUES_IOCTL),
      BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
  };
  struct sock_fprog program = {sizeof rules / sizeof rules[0], rules};
  prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
  return (int)syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, SECCOMP_FILTER_FLAG_NEW_LISTENER, &program);
}

static void pass_descriptor(int socket, int descriptor) {
  union {
    struct cmsghdr header;
    char space[CMSG_SPACE(sizeof(int))];
  } control = {0};
  struct iovec data = {"x", 1};
  struct msghdr message = {
      .msg_iov = &data, .msg_iovlen = 1, .msg_control = &control, .msg_controllen = sizeof control};
  control.header.cmsg_level = SOL_SOCKET;
  control.header.cmsg_type = SCM_RIGHTS;
  control.header.cmsg_len = CMSG_LEN(sizeof(int));
  memcpy(CMSG_DATA(&control.header), &descriptor, sizeof descriptor);
  if (sendmsg(socket, &message, 0) != 1) die("sendmsg");
}

static int receive_descriptor(int socket) {
  union {
    struct cmsghdr header;
    char space[CMSG_SPACE(sizeof(int))];
  } control = {0};
  char byte;
  struct iovec data = {&byte, 1};
  struct msghdr message = {
      .msg_iov = &data, .msg_iovlen = 1, .msg_control = &control, .msg_controllen = sizeof control};
  if (recvmsg(socket, &message, MSG_CMSG_CLOEXEC) != 1 || message.msg_controllen == 0) die("recvmsg");
  int descriptor;
  memcpy(&descriptor, CMSG_DATA(&control.header), sizeof descriptor);
  return descriptor;
}

static int copy(pid_t pid, uint64_t address, void* data, size_t size, int out) {
  struct iovec here = {data, size}, there = {(void*)(uintptr_t)address, size};
  const ssize_t done =
      out ? process_vm_writev(pid, &here, 1, &there, 1, 0) : process_vm_readv(pid, &here, 1, &there, 1, 0);
  return done == (ssize_t)size ? 0 : -EFAULT;
}

static void drive(int at, int level) {
  if (lines[at].output && lines[at].level == level) return;
  lines[at].level = level;
  tell_level(at, level);
}

static int chip_of(pid_t pid, int descriptor) {
  char path[64], target[64] = "";
  snprintf(path, sizeof path, "/proc/%d/fd/%d", pid, descriptor);
  if (readlink(path, target, sizeof target - 1) < 0) return -1;
  int chip;
  return sscanf(target, "/dev/gpiochip%d", &chip) == 1 ? chip : -1;
}

static int line_of(pid_t pid, int descriptor) {
  char path[64];
  struct stat found;
  snprintf(path, sizeof path, "/proc/%d/fd/%d", pid, descriptor);
  if (stat(path, &found) < 0) return -1;
  for (int at = 0; at < LINES; at++)
    if (lines[at].used && lines[at].peer > 0 && lines[at].given == found.st_ino) return at;
  return -1;
}

static int claim(const struct seccomp_notif* call, struct gpio_v2_line_request* request) {
  const uint32_t at = request->offsets[0];
  const struct gpio_v2_line_config* config = &request->config;
  if (request->num_lines != 1 || at >= LINES || config->num_attrs > 1) return -EINVAL;
  struct line* line = &lines[at];
  if (line->used) return -EBUSY;
  const int output = (config->flags & GPIO_V2_LINE_FLAG_OUTPUT) != 0;
  const int edges = (config->flags & (GPIO_V2_LINE_FLAG_EDGE_RISING | GPIO_V2_LINE_FLAG_EDGE_FALLING)) != 0;
  const int input = (config->flags & GPIO_V2_LINE_FLAG_INPUT) != 0;
  /* As gpio_v2_line_config_validate(): one direction, edges of inputs only. */
  if (output == input || (edges && !input)) return -EINVAL;
  int pair[2];
  if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, pair) < 0) return -ENOMEM;
  struct stat given;
  fstat(pair[1], &given);
  struct seccomp_notif_addfd add = {.id = call->id, .srcfd = (uint32_t)pair[1], .newfd_flags = O_CLOEXEC};
  request->fd = ioctl(notifier, SECCOMP_IOCTL_NOTIF_ADDFD, &add);
  close(pair[1]);
  if (request->fd < 0) {
    close(pair[0]);
    return -EMFILE;
  }
  const struct gpio_v2_line_attribute* attribute = &config->attrs[0].attr;
  snprintf(line->consumer, sizeof line->consumer, "%s", request->consumer);
  line->used = 1;
  line->peer = pair[0];
  line->given = given.st_ino;
  line->active_low = (config->flags & GPIO_V2_LINE_FLAG_ACTIVE_LOW) != 0;
  line->settles_at = 0;
  line->told = line->level;
  line->debounce_ns = 0;
  if (config->num_attrs && attribute->id == GPIO_V2_LINE_ATTR_ID_DEBOUNCE)
    line->debounce_ns = (int64_t)attribute->debounce_period_us * 1000;
  const int initial =
      config->num_attrs && attribute->id == GPIO_V2_LINE_ATTR_ID_OUTPUT_VALUES && (attribute->values & 1);
  line->output = 0;
  if (output) drive((int)at, initial ^ line->active_low);
  line->output = output;
  return 0;
}

static int answer(const struct seccomp_notif* call) {
  const pid_t pid = (pid_t)call->pid;
  const int descriptor = (int)call->data.args[0];
  const uint64_t address = call->data.args[2];
  switch ((uint32_t)call->data.args[1]) {
    case GPIO_GET_CHIPINFO_IOCTL: {
      const int chip = chip_of(pid, descriptor);
      if (chip < 0) return -ENOTTY;
      struct gpiochip_info info = {.lines = chip == 0 ? 4 : LINES};
      snprintf(info.name, sizeof info.name, "gpiochip%d", chip);
      snprintf(info.label, sizeof info.label, "%s", chip == 0 ? "bench-aon" : "bench-gpio");
      return copy(pid, address, &info, sizeof info, 1);
    }
    case GPIO_V2_GET_LINEINFO_IOCTL: {
      struct gpio_v2_line_info info;
      const int chip = chip_of(pid, descriptor);
      if (chip < 0) return -ENOTTY;
      if (copy(pid, address, &info, sizeof info, 0) < 0) return -EFAULT;
      const uint32_t at = info.offset;
      if (at >= (chip == 0 ? 4u : (uint32_t)LINES)) return -EINVAL;
      memset(&info, 0, sizeof info);
      info.offset = at;
      if (chip == 1) snprintf(info.name, sizeof info.name, "L%u", at);
      snprintf(info.consumer, sizeof info.consumer, "%s", chip == 0 ? "fan-sense" : lines[at].consumer);
      if (chip == 0 || lines[at].used) info.flags |= GPIO_V2_LINE_FLAG_USED;
      return copy(pid, address, &info, sizeof info, 1);
    }
    case GPIO_V2_GET_LINE_IOCTL: {
      struct gpio_v2_line_request request;
      const int chip = chip_of(pid, descriptor);
      if (chip < 0) return -ENOTTY;
      if (copy(pid, address, &request, sizeof request, 0) < 0) return -EFAULT;
      const int error = chip == 0 ? -EBUSY : claim(call, &request);
      return error ? error : copy(pid, address, &request, sizeof request, 1);
    }
    default: {
      struct gpio_v2_line_values values;
      const int at = line_of(pid, descriptor);
      if (at < 0) return -ENOTTY;
      if (copy(pid, address, &values, sizeof values, 0) < 0) return -EFAULT;
      if ((values.mask & 1) == 0) return -EINVAL;
      if ((uint32_t)call->data.args[1] == GPIO_V2_LINE_GET_VALUES_IOCTL) {
        values.bits = (uint64_t)((lines[at].debounce_ns ? lines[at].told : lines[at].level) ^ lines[at].active_low);
        return copy(pid, address, &values, sizeof values, 1);
      }
      if (!lines[at].output) return -EPERM;
      drive(at, (int)(values.bits & 1) ^ lines[at].active_low);
      return 0;
    }
  }
}

static void serve_call(void) {
  struct seccomp_notif call = {0};
  if (ioctl(notifier, SECCOMP_IOCTL_NOTIF_RECV, &call) < 0) return;
  struct seccomp_notif_resp response = {.id = call.id};
  response.error = answer(&call);
  ioctl(notifier, SECCOMP_IOCTL_NOTIF_SEND, &response);
}

static void tell_edge(int at) {
  struct line* line = &lines[at];
  if (line->level == line->told) return;
  line->told = line->level;
  struct gpio_v2_line_event event = {.timestamp_ns = (uint64_t)now_ns(), .offset = (uint32_t)at};
  event.id = (line->level ^ line->active_low) ? GPIO_V2_LINE_EVENT_RISING_EDGE : GPIO_V2_LINE_EVENT_FALLING_EDGE;
  event.seqno = event.line_seqno = ++line->edges;
  if (line->peer > 0 && send(line->peer, &event, sizeof event, MSG_NOSIGNAL) < 0) perror("send");
}

static void set_input(int at, int level) {
  struct line* line = &lines[at];
  if (line->output || line->level == level) return;
  line->level = level;
  if (line->debounce_ns)
    line->settles_at = now_ns() + line->debounce_ns;
  else
    tell_edge(at);
}

static void release(int at) {
  close(lines[at].peer);
  lines[at].used = lines[at].output = lines[at].peer = 0;
  lines[at].consumer[0] = 0;
  dprintf(STDOUT_FILENO, "release %d\n", at);
}

/* Milliseconds until the next input has settled, 20 at most. */
static int settle(void) {
  int64_t next = now_ns() + 20000000;
  for (int at = 0; at < LINES; at++) {
    if (lines[at].settles_at == 0) continue;
    if (lines[at].settles_at <= now_ns()) {
      lines[at].settles_at = 0;
      tell_edge(at);
    } else if (lines[at].settles_at < next) {
      next = lines[at].settles_at;
    }
  }
  return (int)((next - now_ns()) / 1000000) + 1;
}

int main(int count, char** arguments) {
  if (count < 2) return 64;
  lines[HELD].used = 1;
  strcpy(lines[HELD].consumer, "fan-sense");
  leave_mounts();
  put_together_dev();
  int pair[2];
  if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair) < 0) die("socketpair");
  const pid_t child = fork();
  if (child == 0) {
    const int listener = install_filter();
    if (listener < 0) die("seccomp");
    pass_descriptor(pair[1], listener);
    close(listener);
    become(arguments + 1);
  }
  notifier = receive_descriptor(pair[0]);
  dprintf(STDOUT_FILENO, "ready\n");
  for (int running = 1;;) {
    struct pollfd waiting[LINES + 2] = {{STDIN_FILENO, POLLIN, 0}, {notifier, POLLIN, 0}};
    for (int at = 0; at < LINES; at++)
      waiting[at + 2] = (struct pollfd){lines[at].peer > 0 ? lines[at].peer : -1, POLLIN, 0};
    poll(waiting, LINES + 2, settle());
    if (waiting[1].revents & POLLIN)
      serve_call();
    else if (waiting[1].revents)
      notifier = -1; /* everybody under the filter has ended */
    if (waiting[0].revents && !obey(set_input)) _exit(0);
    for (int at = 0; at < LINES; at++)
      if (waiting[at + 2].revents & (POLLHUP | POLLERR)) release(at);
    int status;
    if (running && waitpid(child, &status, WNOHANG) == child) {
      running = 0;
      dprintf(STDOUT_FILENO, "exit %d\n", status);
    }
  }
}
