/* A /sys/class/gpio that answers like the kernel's (Documentation/admin-guide/gpio/sysfs.rst), for unmodified onoff:
 *
 *   bench_sysfs PROGRAM ARGUMENT...      see bench.h
 *
 * One chip, "bench-gpio", numbers 500 to 515. 514 is held by the kernel; 515's folder has the line's name, as on
 * JetPack 5. */
#define _GNU_SOURCE
#define FUSE_USE_VERSION 31
#include <errno.h>
#include <fuse.h>
#include <pthread.h>
#include <sched.h>

#include "bench.h"

enum { BASE = 500, HELD = 14, NAMED = 15 };
static const char named[] = "PQ.06";

struct line {
  int exported, output, level, active_low, rising, falling;
  uint64_t edges;
};
static struct line lines[LINES];
static struct fuse* file_system;
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static char** command;

/* An open `value` file. */
struct reader {
  int line;
  uint64_t seen;
  struct fuse_pollhandle* waiting;
  struct reader* next;
};
static struct reader* readers;

static int line_of(const char* folder, size_t length) {
  if (length == strlen(named) && strncmp(folder, named, length) == 0) return lines[NAMED].exported ? NAMED : -1;
  int number, used = 0;
  if (sscanf(folder, "gpio%d%n", &number, &used) != 1 || (size_t)used != length) return -1;
  const int line = number - BASE;
  return line >= 0 && line < LINES && line != NAMED && lines[line].exported ? line : -1;
}

static const char* const attributes[] = {"value", "direction", "edge", "active_low"};
static const char* const of_chip[] = {"base", "label", "ngpio"};

/* Splits /gpio/FOLDER/FILE. The line, -1 for the chip, -2 for nothing that exists. `*file` is "" for the folder. */
static int find(const char* path, const char** file) {
  const char* folder = path + strlen("/gpio/");
  const char* slash = strchr(folder, '/');
  const size_t length = slash ? (size_t)(slash - folder) : strlen(folder);
  *file = slash ? slash + 1 : "";
  const int chip = length == strlen("gpiochip500") && strncmp(folder, "gpiochip500", length) == 0;
  const int line = chip ? -1 : line_of(folder, length);
  if (!chip && line < 0) return -2;
  if (!**file) return line;
  const char* const* list = chip ? of_chip : attributes;
  for (size_t i = 0; i < (chip ? 3u : 4u); i++)
    if (strcmp(*file, list[i]) == 0) return line;
  return -2;
}

static int get_attributes(const char* path, struct stat* stat, struct fuse_file_info* info) {
  (void)info;
  memset(stat, 0, sizeof *stat);
  stat->st_nlink = 1;
  if (strcmp(path, "/") == 0 || strcmp(path, "/gpio") == 0) {
    stat->st_mode = S_IFDIR | 0755;
    return 0;
  }
  if (strncmp(path, "/gpio/", 6) != 0) return -ENOENT;
  stat->st_size = 4096;
  stat->st_mode = S_IFREG | 0644;
  if (strcmp(path, "/gpio/export") == 0 || strcmp(path, "/gpio/unexport") == 0) return 0;
  const char* file;
  pthread_mutex_lock(&lock);
  const int line = find(path, &file);
  pthread_mutex_unlock(&lock);
  if (line == -2) return -ENOENT;
  if (!*file) stat->st_mode = S_IFDIR | 0755;
  return 0;
}

static int list(const char* path, void* buffer, fuse_fill_dir_t fill, off_t offset, struct fuse_file_info* info,
                enum fuse_readdir_flags flags) {
  (void)offset, (void)info, (void)flags;
  if (strcmp(path, "/") == 0) {
    fill(buffer, "gpio", NULL, 0, 0);
    return 0;
  }
  if (strcmp(path, "/gpio") != 0) return 0;
  fill(buffer, "export", NULL, 0, 0);
  fill(buffer, "unexport", NULL, 0, 0);
  fill(buffer, "gpiochip500", NULL, 0, 0);
  pthread_mutex_lock(&lock);
  for (int line = 0; line < LINES; line++) {
    char name[16];
    snprintf(name, sizeof name, "gpio%d", BASE + line);
    if (lines[line].exported) fill(buffer, line == NAMED ? named : name, NULL, 0, 0);
  }
  pthread_mutex_unlock(&lock);
  return 0;
}

static int open_file(const char* path, struct fuse_file_info* info) {
  info->direct_io = 1;
  const char* file = "";
  pthread_mutex_lock(&lock);
  const int line = strncmp(path + 6, "gpio", 4) == 0 || strncmp(path + 6, "P", 1) == 0 ? find(path, &file) : -1;
  if (line >= 0 && strcmp(file, "value") == 0) {
    struct reader* reader = calloc(1, sizeof *reader);
    reader->line = line;
    reader->next = readers;
    readers = reader;
    info->fh = (uint64_t)(uintptr_t)reader;
  }
  pthread_mutex_unlock(&lock);
  return line == -2 ? -ENOENT : 0;
}

static int close_file(const char* path, struct fuse_file_info* info) {
  (void)path;
  struct reader* reader = (struct reader*)(uintptr_t)info->fh;
  if (!reader) return 0;
  pthread_mutex_lock(&lock);
  for (struct reader** at = &readers; *at; at = &(*at)->next) {
    if (*at != reader) continue;
    *at = reader->next;
    break;
  }
  if (reader->waiting) fuse_pollhandle_destroy(reader->waiting);
  free(reader);
  pthread_mutex_unlock(&lock);
  return 0;
}

static int read_file(const char* path, char* buffer, size_t size, off_t offset, struct fuse_file_info* info) {
  char text[32] = "";
  const char* file;
  pthread_mutex_lock(&lock);
  const int at = find(path, &file);
  if (at == -1) {
    if (strcmp(file, "label") == 0) snprintf(text, sizeof text, "bench-gpio\n");
    if (strcmp(file, "base") == 0) snprintf(text, sizeof text, "%d\n", BASE);
    if (strcmp(file, "ngpio") == 0) snprintf(text, sizeof text, "%d\n", LINES);
  } else if (at >= 0) {
    const struct line* line = &lines[at];
    if (strcmp(file, "value") == 0) snprintf(text, sizeof text, "%d\n", line->level ^ line->active_low);
    if (strcmp(file, "direction") == 0) snprintf(text, sizeof text, "%s\n", line->output ? "out" : "in");
    if (strcmp(file, "active_low") == 0) snprintf(text, sizeof text, "%d\n", line->active_low);
    if (strcmp(file, "edge") == 0)
      snprintf(text, sizeof text, "%s\n",
               line->rising ? (line->falling ? "both" : "rising") : (line->falling ? "falling" : "none"));
    if (info->fh) ((struct reader*)(uintptr_t)info->fh)->seen = line->edges;
  }
  pthread_mutex_unlock(&lock);
  const size_t length = strlen(text);
  if ((size_t)offset >= length) return 0;
  if (size > length - (size_t)offset) size = length - (size_t)offset;
  memcpy(buffer, text + offset, size);
  return (int)size;
}

static void drive(int at, int level) {
  if (lines[at].level == level) return;
  lines[at].level = level;
  tell_level(at, level);
}

static int set_attribute(int at, const char* file, const char* text) {
  struct line* line = &lines[at];
  if (strcmp(file, "active_low") == 0) line->active_low = atoi(text) != 0;
  if (strcmp(file, "edge") == 0) {
    if (line->output) return -EIO;
    line->rising = strncmp(text, "both", 4) == 0 || strncmp(text, "rising", 6) == 0;
    line->falling = strncmp(text, "both", 4) == 0 || strncmp(text, "falling", 7) == 0;
  }
  if (strcmp(file, "direction") == 0) {
    const int out = strncmp(text, "out", 3) == 0, high = strncmp(text, "high", 4) == 0;
    const int low = strncmp(text, "low", 3) == 0;
    if (!out && !high && !low && strncmp(text, "in", 2) != 0) return -EINVAL;
    line->output = out || high || low;
    /* Volts, whatever active_low says: direction_store() calls gpiod_direction_output_raw(). */
    if (out || low) drive(at, 0);
    if (high) drive(at, 1);
  }
  if (strcmp(file, "value") == 0) {
    if (!line->output) return -EPERM;
    drive(at, (atoi(text) != 0) ^ line->active_low);
  }
  return 0;
}

static int write_file(const char* path, const char* buffer, size_t size, off_t offset, struct fuse_file_info* info) {
  (void)offset, (void)info;
  char text[32];
  snprintf(text, sizeof text, "%.*s", (int)size, buffer);
  const int export = strcmp(path, "/gpio/export") == 0, unexport = strcmp(path, "/gpio/unexport") == 0;
  int error = 0;
  pthread_mutex_lock(&lock);
  if (export || unexport) {
    const int line = atoi(text) - BASE;
    if (line < 0 || line >= LINES)
      error = -EINVAL;
    else if (export && (line == HELD || lines[line].exported))
      error = -EBUSY;
    else
      lines[line].exported = export;
    if (!error && unexport) dprintf(STDOUT_FILENO, "release %d\n", line);
  } else {
    const char* file;
    const int line = find(path, &file);
    error = line < 0 ? -EACCES : set_attribute(line, file, text);
  }
  pthread_mutex_unlock(&lock);
  return error ? error : (int)size;
}

static int truncate_file(const char* path, off_t size, struct fuse_file_info* info) {
  (void)path, (void)size, (void)info;
  return 0;
}

static int poll_file(const char* path, struct fuse_file_info* info, struct fuse_pollhandle* handle, unsigned* events) {
  (void)path;
  *events = POLLIN | POLLOUT;
  struct reader* reader = (struct reader*)(uintptr_t)info->fh;
  if (!reader) return 0;
  pthread_mutex_lock(&lock);
  if (handle) {
    if (reader->waiting) fuse_pollhandle_destroy(reader->waiting);
    reader->waiting = handle;
  }
  if (reader->seen != lines[reader->line].edges) *events |= POLLPRI | POLLERR;
  pthread_mutex_unlock(&lock);
  return 0;
}

static void set_input(int at, int level) {
  pthread_mutex_lock(&lock);
  struct line* line = &lines[at];
  const int changed = !line->output && line->level != level;
  if (!line->output) line->level = level;
  const int logical = level ^ line->active_low;
  if (changed && (logical ? line->rising : line->falling)) {
    line->edges++;
    for (struct reader* reader = readers; reader; reader = reader->next) {
      if (reader->line != at || !reader->waiting) continue;
      fuse_notify_poll(reader->waiting);
      fuse_pollhandle_destroy(reader->waiting);
      reader->waiting = NULL;
    }
  }
  pthread_mutex_unlock(&lock);
}

static void* converse(void* unused) {
  (void)unused;
  const pid_t child = fork();
  if (child == 0) become(command);
  dprintf(STDOUT_FILENO, "ready\n");
  struct pollfd input = {STDIN_FILENO, POLLIN, 0};
  for (int running = 1;;) {
    const int ready = poll(&input, 1, running ? 20 : -1);
    if (ready > 0 && !obey(set_input)) _exit(0);
    int status;
    if (running && waitpid(child, &status, WNOHANG) == child) {
      running = 0;
      dprintf(STDOUT_FILENO, "exit %d\n", status);
    }
  }
}

static const struct fuse_operations operations = {
    .getattr = get_attributes,
    .readdir = list,
    .open = open_file,
    .release = close_file,
    .read = read_file,
    .write = write_file,
    .truncate = truncate_file,
    .poll = poll_file,
};

int main(int count, char** arguments) {
  if (count < 2) return 64;
  command = arguments + 1;
  leave_mounts();
  char* own[] = {arguments[0], "-o", "attr_timeout=0,entry_timeout=0,negative_timeout=0", NULL};
  struct fuse_args args = FUSE_ARGS_INIT(3, own);
  file_system = fuse_new(&args, &operations, sizeof operations, NULL);
  if (!file_system || fuse_mount(file_system, "/sys/class") != 0) return 70;
  pthread_t thread;
  pthread_create(&thread, NULL, converse, NULL);
  fuse_loop_mt(file_system, 0);
  return 0;
}
