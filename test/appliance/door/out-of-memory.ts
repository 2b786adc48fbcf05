/** Memory that really runs out, of the service and of the whole machine: whom the kernel takes, and who goes on. */
import type t from 'tap'
import type { DoorHome } from './home.js'
import { becomes, type Machine } from './machine.js'

type Tap = Pick<typeof t, 'equal' | 'not' | 'match' | 'ok' | 'comment'>

const recognizer =
  'for each in $(pgrep -P $(systemctl show facelatch --value -p MainPID)); do ' +
  '[ "$(cat /proc/$each/oom_score_adj)" = 800 ] && echo $each; done'
const service = '/sys/fs/cgroup/system.slice/facelatch.service'
/** A tmpfs: its files belong to no process that could be taken instead. */
const full = 'mkdir -p /run/full && mount -t tmpfs -o size=100% tmpfs /run/full'

/** By what memory runs out, and how there is enough again. `$recognizer` is its process. */
const shortages: Record<string, { readonly begin: string; readonly end: string }> = {
  // 100 MB more than what cannot be dropped, and then a quarter of the recognizer's more than that, on the service's account.
  "the service's own (MemoryMax=)": {
    begin: [
      `stat() { awk -v key="$1" '$1 == key { print $2 }' ${service}/memory.stat; }`,
      `theirs=$(awk '/^RssAnon/ { print $2 * 1024 }' /proc/$recognizer/status) room=$((100 << 20))`,
      `limit=$(( $(stat anon) + $(stat kernel) + room ))`,
      `systemctl set-property --runtime facelatch.service MemorySwapMax=0 MemoryMax=$limit`,
      full,
      `echo $BASHPID >${service}/cgroup.procs`,
      'head -c $((room + theirs / 4)) /dev/zero >/run/full/file',
    ].join(' && '),
    end: 'umount --lazy /run/full; systemctl set-property --runtime facelatch.service MemoryMax=75%',
  },
  // What there is, and then 4 MB after 4 MB until it is too much.
  "the machine's": {
    begin: [
      full,
      "head -c $(awk '/^MemAvailable/ { print $2 }' /proc/meminfo)K /dev/zero >/run/full/file",
      'while read -r size _ </proc/$recognizer/statm && [ "$size" != 0 ]; do head -c 4M /dev/zero >>/run/full/file; done',
    ].join(' && '),
    end: 'umount --lazy /run/full',
  },
}

export async function outOfMemory(t: Tap, machine: Machine, home: DoorHome): Promise<void> {
  const said = async (command: string) => (await machine.run(command)).stdout
  const count = (type: string) => home.events().filter((event) => event.type === type).length
  const killed = async () =>
    (await said('dmesg | grep -oE "Killed process [0-9]+ \\([^)]*\\)"')).split('\n').filter(Boolean)
  for (const [whose, { begin, end }] of Object.entries(shortages)) {
    const [before, ready, lost, kills] = [
      await said(recognizer),
      count('recognizer_ready'),
      count('recognizer_lost'),
      await killed(),
    ]
    const supervisor = await said('systemctl show facelatch --value -p MainPID')
    t.match(before, /^\d+$/)
    void machine.run(`recognizer=${before}; ${begin}`).catch(() => {})
    await becomes(machine, 'the recognizer is lost', () => count('recognizer_lost') > lost)
    const presses = count('exit')
    await machine.press()
    await becomes(machine, 'the exit button opens meanwhile', () => count('exit') > presses)
    await machine.run(end)
    await becomes(machine, 'there is another recognizer', () => count('recognizer_ready') > ready)
    const victims = (await killed()).slice(kills.length)
    t.comment(`${whose}: ${victims.join(', ')}`)
    t.match(victims[0], `Killed process ${before} `, `${whose}: the kernel took the recognizer first`)
    t.equal(await said('systemctl show facelatch --value -p MainPID'), supervisor, 'the supervisor is the same')
    t.equal(await said('systemctl show facelatch --value -p NRestarts'), '0')
    t.not(await said(recognizer), before)
  }
}
