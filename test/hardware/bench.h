/* What both benches share: 16 lines, a conversation with the test, and the program under test.
 *
 *   stdin    set LINE LEVEL     the world moves an input; levels are volts: 0 or 1
 *   stdout   ready              the bench stands and the program is starting
 *            out LINE LEVEL NS  an output has a level; CLOCK_MONOTONIC
 *            release LINE       nobody holds it any more; it keeps its level, as on JetPack 6.2.2
 *            exit STATUS        the program has ended, as wait(2) tells it
 *
 * The bench stands until its stdin ends, so that a guard can outlive the program. */
#ifndef FACELATCH_BENCH_H
#define FACELATCH_BENCH_H

#include <errno.h>
#include <fcntl.h>
#include <mntent.h>
#include <poll.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

enum { LINES = 16 };

static inline void die(const char* what) {
  perror(what);
  _exit(70);
}

static inline int64_t now_ns(void) {
  struct timespec time;
  clock_gettime(CLOCK_MONOTONIC, &time);
  return (int64_t)time.tv_sec * 1000000000 + time.tv_nsec;
}

static inline void tell_level(int line, int level) {
  dprintf(STDOUT_FILENO, "out %d %d %lld\n", line, level, (long long)now_ns());
}

/* A mount name space of our own: nothing outside sees what is mounted here. In a chroot "/" is no mount point, and each
 * mount is made private by itself. */
static inline void leave_mounts(void) {
  if (unshare(CLONE_NEWNS) < 0) die("unshare");
  if (mount("none", "/", NULL, MS_REC | MS_PRIVATE, NULL) == 0) return;
  if (errno != EINVAL) die("mount --make-rprivate /");
  FILE* const mounts = setmntent("/proc/self/mounts", "r");
  if (!mounts) die("/proc/self/mounts");
  for (struct mntent* entry; (entry = getmntent(mounts));)
    if (mount("none", entry->mnt_dir, NULL, MS_PRIVATE, NULL) < 0 && errno != EINVAL && errno != ENOENT)
      die(entry->mnt_dir);
  endmntent(mounts);
}

/* In the child: dies with the bench, reads nothing, and says on stderr what it has to say. */
static inline void become(char** command) {
  prctl(PR_SET_PDEATHSIG, SIGKILL);
  const int null = open("/dev/null", O_RDWR);
  dup2(null, STDIN_FILENO);
  dup2(STDERR_FILENO, STDOUT_FILENO);
  execvp(command[0], command);
  die(command[0]);
}

/* Calls `set` for each complete command that has come; 0 at the end of the input. */
static inline int obey(void (*set)(int line, int level)) {
  static char pending[4096];
  static size_t length;
  const ssize_t count = read(STDIN_FILENO, pending + length, sizeof pending - 1 - length);
  if (count <= 0) return 0;
  length += (size_t)count;
  pending[length] = 0;
  char* from = pending;
  for (char* end; (end = strchr(from, '\n')); from = end + 1) {
    int line, level;
    if (sscanf(from, "set %d %d", &line, &level) == 2 && line >= 0 && line < LINES) set(line, level != 0);
  }
  length = strlen(from);
  memmove(pending, from, length + 1);
  return 1;
}

#endif
