/** Memory that really runs out, of the service and of the whole machine: whom the kernel takes, and who goes on. */
import type t from 'tap'
import type { DoorHome } from './home.js'
import { becomes, type Machine } from './machine.js'

type Tap = Pick<typeof t, 'equal' | 'not' | 'match' | 'ok' | 'comment'>

const recognizer =
  'for each in $(pgrep -P $(systemctl show facelatch --value -p MainPID)); do ' +
  '[ "$(cat /proc/$each/oom_score_adj)" = 800 ] && echo $each; done'
const service = '/sys/fs/cgroup/system.slice/facelatch.service'

/** By what memory runs out, and how there is enough again. */
const shortages: Record<string, { readonly begin: string; readonly end: string }> = {
  // A quarter below what it has: MemoryMax= takes what is cached first, and then somebody.
  "the service's own (MemoryMax=)": {
    begin: `systemctl set-property --runtime facelatch.service MemorySwapMax=0 MemoryMax=$(( $(awk '/^anon / { print $2 }' ${service}/memory.stat) * 3 / 4 ))`,
    end: 'systemctl set-property --runtime facelatch.service MemoryMax=75%',
  },
  // In files of a tmpfs, which belong to no process that could be taken instead; 60 MB more than there is.
  "the machine's": {
    begin:
      'mkdir -p /run/full && mount -t tmpfs -o size=100% tmpfs /run/full && ' +
      `dd if=/dev/zero of=/run/full/file bs=1M count=$(( $(awk '/^MemAvailable/ { print $2 }' /proc/meminfo) / 1024 + 60 ))`,
    end: 'umount /run/full',
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
    void machine.run(begin).catch(() => {})
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
