import t from 'tap'
import { boardOf, boards } from '../../firmware/domain/jetson-pins.js'
import {
  type Chip,
  chooseDriver,
  type DriverFacts,
  isPlace,
  parseLine,
  resolveLine,
  resolveLines,
} from '../../firmware/domain/lines.js'

const chip = (label: string, lines: number, named: Record<number, string> = {}): Chip => ({
  label,
  lines,
  names: Array.from({ length: lines }, (_, i) => named[i] ?? ''),
})
const main = chip('tegra234-gpio', 164, { 105: 'PQ.05', 106: 'PQ.06', 144: 'PAC.06' })
const aon = chip('tegra234-gpio-aon', 32, { 0: 'PAA.00' })

function resolve(
  text: string,
  more: Partial<Parameters<typeof resolveLine<Chip>>[1]> = {},
  use: 'input' | 'output' = 'output',
) {
  const name = parseLine(text)
  if (!name) return 'no name'
  const found = resolveLine(name, { chips: [main, aon], board: 'orin-nano', chip: '', ...more }, use)
  return isPlace(found) ? `${found.chip.label} ${found.offset}` : found.problem
}

t.test('names of lines', async (t) => {
  t.same(parseLine('17'), { by: 'number', number: 17 })
  t.same(parseLine('pin:31'), { by: 'pin', pin: 31 })
  t.same(parseLine('tegra234-gpio:PQ.06'), { by: 'name', chip: 'tegra234-gpio', line: 'PQ.06' })
  t.same(parseLine('0-0020:gpio:4'), { by: 'name', chip: '0-0020:gpio', line: '4' })
  for (const bad of ['', 'PQ.06', 'gpiochip0:4', 'pin:', 'pin:x', '-1', '1.5', 'a:', ':b', 'a:b c', '123456'])
    t.equal(parseLine(bad), undefined, bad)
})

t.test('a name is looked for on its chip, and numbers where a name is missing', async (t) => {
  t.equal(resolve('tegra234-gpio:PQ.06'), 'tegra234-gpio 106')
  t.equal(resolve('tegra234-gpio:7'), 'tegra234-gpio 7')
  t.match(resolve('tegra234-gpio:PZ.99'), /no line named "PZ.99"/)
  t.match(
    resolve('tegra194-gpio:PQ.06'),
    /no chip is labelled "tegra194-gpio"; the chips here are: tegra234-gpio, tegra234/,
  )
  const twins = { chips: [chip('x', 4, { 1: 'relay', 2: 'relay' })] }
  t.match(resolve('x:relay', twins), /2 lines named "relay"/)
})

t.test('a number needs to say whose', async (t) => {
  t.match(resolve('106'), /set gpio.chip to one of: tegra234-gpio, tegra234-gpio-aon/)
  t.equal(resolve('3', { chip: 'tegra234-gpio-aon' }), 'tegra234-gpio-aon 3')
  t.equal(resolve('3', { chips: [aon] }), 'tegra234-gpio-aon 3')
  t.match(resolve('32', { chips: [aon] }), /lines 0 to 31/)
  t.match(resolve('3', { chip: 'other' }), /no chip is labelled "other"/)
  t.match(resolve('3', { chips: [] }), /one of: none/)
})

t.test('a header pin is found by name on any of the chips, by number only where nobody has that name', async (t) => {
  t.equal(resolve('pin:31'), 'tegra234-gpio 106')
  t.equal(
    resolve('pin:7', { chips: [chip('tegra234-gpio', 164), chip('tegra234-gpio-aon', 32, { 9: 'PAC.06' })] }),
    'tegra234-gpio-aon 9',
  )
  t.equal(resolve('pin:7', { chips: [chip('tegra234-gpio', 164)] }), 'tegra234-gpio 144', 'a kernel without names')
  t.match(
    resolve('pin:7', { chips: [chip('tegra234-gpio', 164, { 144: 'PX.00' })] }),
    /no line is named PAC.06/,
    'never another line',
  )
  t.match(resolve('pin:1'), /pin 1 of a Jetson Orin Nano or Orin NX is no GPIO/)
  t.match(resolve('pin:31', { board: undefined }), /no Jetson known here/)
  t.match(resolve('pin:31', { chips: [chip('pca9555', 16)] }), /none of tegra234-gpio, tegra234-gpio-aon is here/)
  const orin = { board: 'agx-orin' as const }
  t.match(resolve('pin:11', orin, 'input'), /output only/)
  t.equal(resolve('pin:31', orin), 'tegra234-gpio-aon 0')
  const nano = { board: 'nano' as const, chips: [chip('tegra-gpio', 256)] }
  t.equal(resolve('pin:31', nano), 'tegra-gpio 200')
})

t.test('two lines cannot be one', async (t) => {
  const wanted = ['tegra234-gpio:PQ.06', 'pin:31', 'pin:29'].map((text, i) => ({
    line: `l${i}`,
    name: parseLine(text)!,
  }))
  const found = resolveLines(wanted, { chips: [main, aon], board: 'orin-nano', chip: '' }, () => true)
  t.match(
    found.map(({ resolved }) => resolved),
    [{ offset: 106 }, { problem: /the line of gpio.lines.l0/ }, { offset: 105 }],
  )
})

t.test('boards', async (t) => {
  t.equal(boardOf(['nvidia,p3509-0000+p3767-0000', 'nvidia,p3767-0000', 'nvidia,tegra234']), 'orin-nano')
  t.equal(boardOf(['nvidia,p3737-0000+p3701-0005', 'nvidia,tegra234']), 'agx-orin')
  t.equal(boardOf(['nvidia,p3449-0000+p3668-0001']), 'xavier-nx')
  t.equal(boardOf(['nvidia,p2972-0000', 'nvidia,tegra194']), 'agx-xavier')
  t.equal(boardOf(['nvidia,jetson-nano', 'nvidia,tegra210']), 'nano')
  t.equal(boardOf(['nvidia,p3971-0089+p3834-0008']), 'thor')
  t.equal(boardOf(['raspberrypi,4-model-b', 'brcm,bcm2711']), undefined)
  t.equal(boardOf([]), undefined)
  for (const [name, { pins, chips }] of Object.entries(boards)) {
    t.equal(pins.size, 17, name)
    t.ok([...pins.values()].every(({ chip }) => chips.includes(chip)))
    t.equal(
      new Set([...pins.values()].map(({ chip, offset }) => `${chip} ${offset}`)).size,
      17,
      `${name}: no line twice`,
    )
    const named = [...pins.values()].filter((pin) => pin.name !== undefined)
    t.equal(new Set(named.map((pin) => pin.name)).size, named.length, `${name}: no name twice`)
  }
})

t.test('simulated lines are never taken unasked', async (t) => {
  const board: DriverFacts = {
    asked: 'auto',
    lock: true,
    simulatedKeys: false,
    onBoard: true,
    chardev: true,
    sysfs: true,
  }
  const driver = (facts: Partial<DriverFacts>) => {
    const chosen = chooseDriver({ ...board, ...facts })
    return 'driver' in chosen ? chosen.driver : chosen.problem
  }
  t.equal(driver({}), 'gpiod', 'both: the character device')
  t.equal(driver({ chardev: false }), 'onoff')
  t.match(driver({ chardev: false, sysfs: false }), /shows no GPIO/)
  t.match(driver({ chardev: false, sysfs: false, simulatedKeys: true }), /shows no GPIO/)
  t.equal(driver({ simulatedKeys: true }), 'gpiod', 'a lock line is a lock line')
  t.match(driver({ lock: false }), /no lock line/)
  t.match(driver({ lock: false, onBoard: false }), /no lock line/)
  t.match(driver({ lock: false, simulatedKeys: true }), /a board does not take simulated lines unasked/)
  t.equal(driver({ lock: false, simulatedKeys: true, onBoard: false }), 'simulated')
  t.equal(driver({ asked: 'simulated' }), 'simulated')
  t.equal(driver({ asked: 'onoff' }), 'onoff')
  t.match(
    driver({ asked: 'onoff', sysfs: false }),
    /this kernel has no sysfs GPIO .*set gpio.driver to "gpiod" or "auto"/,
  )
  t.match(driver({ asked: 'gpiod', lock: false }), /without a lock line/)
})
