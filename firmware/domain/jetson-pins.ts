/**
 * The 40-pin header of the Jetson boards: which line of which chip stands behind a pin. The figures are those of NVIDIA's
 * Jetson.GPIO (lib/python/Jetson/GPIO/gpio_pin_data.py); none was tried on a board by us.
 *
 * A line is looked for by its name first, on all of the board's chips: sources differ about the chip of some (PAC.06).
 * Offsets serve kernels that name no lines, and sysfs.
 */

export type Board = 'nano' | 'xavier-nx' | 'agx-xavier' | 'orin-nano' | 'agx-orin' | 'thor'

export interface HeaderPin {
  /** Label of the chip. */
  readonly chip: string
  readonly offset: number
  /** Without the leading P; absent where the kernel names no lines. */
  readonly name?: string
  /** What the carrier board's level shifter lets through. */
  readonly only?: 'input' | 'output'
}

export interface BoardPins {
  readonly title: string
  /** Labels of its chips. */
  readonly chips: readonly string[]
  readonly pins: ReadonlyMap<number, HeaderPin>
}

/** Parts of `/proc/device-tree/compatible`: the module's number, whatever carrier it sits on. */
const modules: readonly (readonly [part: string, board: Board])[] = [
  ['p3450', 'nano'],
  ['p3448', 'nano'],
  ['jetson-nano', 'nano'],
  ['p3668', 'xavier-nx'],
  ['p2972', 'agx-xavier'],
  ['p2888', 'agx-xavier'],
  ['jetson-xavier-industrial', 'agx-xavier'],
  ['p3767', 'orin-nano'],
  ['p3701', 'agx-orin'],
  ['p3834', 'thor'],
]

/** The board that a device tree's `compatible` texts name; undefined for anything that is no Jetson known here. */
export function boardOf(compatible: readonly string[]): Board | undefined {
  const nvidia = compatible.filter((text) => text.startsWith('nvidia,'))
  return modules.find(([part]) => nvidia.some((text) => text.includes(part)))?.[1]
}

/** `7:144:AC.06`; a leading `a` of the offset: the always-on chip; a last `i` or `o`: input or output only. */
function board(title: string, chips: readonly [main: string, aon?: string], table: string): BoardPins {
  const pins = new Map<number, HeaderPin>()
  for (const row of table.trim().split(/\s+/)) {
    const [pin, place, name, only] = row.split(':') as [string, string, string?, string?]
    const aon = place.startsWith('a')
    pins.set(Number(pin), {
      chip: (aon ? chips[1] : chips[0])!,
      offset: Number(aon ? place.slice(1) : place),
      ...(name ? { name } : {}),
      ...(only ? { only: only === 'i' ? 'input' : 'output' } : {}),
    })
  }
  return { title, chips: chips.filter((chip) => chip !== undefined), pins }
}

export const boards: Readonly<Record<Board, BoardPins>> = {
  nano: board(
    'Jetson Nano',
    ['tegra-gpio'],
    '7:216 11:50 12:79 13:14 15:194 16:232 18:15 22:13 29:149 31:200 32:168 33:38 35:76 36:51 37:12 38:77 40:78',
  ),
  'xavier-nx': board(
    'Jetson Xavier NX',
    ['tegra194-gpio', 'tegra194-gpio-aon'],
    `7:118:S.04 11:112:R.04 12:127:T.05 13:149:Y.00 15:a16:CC.04 16:153:Y.04 18:152:Y.03 22:150:Y.01 29:105:Q.05
     31:106:Q.06 32:108:R.00 33:84:N.01 35:130:U.00 36:113:R.05 37:151:Y.02 38:129:T.07 40:128:T.06`,
  ),
  'agx-xavier': board(
    'Jetson AGX Xavier',
    ['tegra194-gpio', 'tegra194-gpio-aon'],
    `7:106:Q.06 11:112:R.04 12:51:H.07 13:108:R.00 15:84:N.01 16:a8:BB.00 18:44:H.00 22:101:Q.01 29:a3:AA.03
     31:a2:AA.02 32:a9:BB.01 33:a0:AA.00 35:54:I.02 36:113:R.05:i 37:a1:AA.01 38:53:I.01 40:52:I.00`,
  ),
  'orin-nano': board(
    'Jetson Orin Nano or Orin NX',
    ['tegra234-gpio', 'tegra234-gpio-aon'],
    `7:144:AC.06 11:112:R.04 12:50:H.07 13:122:Y.00 15:85:N.01 16:126:Y.04 18:125:Y.03 22:123:Y.01 29:105:Q.05
     31:106:Q.06 32:41:G.06 33:43:H.00 35:53:I.02 36:113:R.05 37:124:Y.02 38:52:I.01 40:51:I.00`,
  ),
  'agx-orin': board(
    'Jetson AGX Orin',
    ['tegra234-gpio', 'tegra234-gpio-aon'],
    `7:106:Q.06 11:112:R.04:o 12:50:H.07 13:108:R.00 15:85:N.01 16:a9:BB.01 18:43:H.00 22:96:P.04 29:a1:AA.01
     31:a0:AA.00 32:a8:BB.00 33:a2:AA.02 35:53:I.02 36:113:R.05 37:a3:AA.03 38:52:I.01 40:51:I.00`,
  ),
  thor: board(
    'Jetson AGX Thor',
    ['tegra264-gpio-main', 'tegra264-gpio-aon'],
    `7:86:L.06 11:92:M.04:o 12:21:V.06 13:88:M.00 15:127:F.07 16:a21:DD.03 18:14:U.07 22:7:U.00 29:a1:AD.01
     31:a0:AD.00 32:a22:DD.04 33:a2:AE.00 35:24:W.01 36:93:M.05 37:a3:AE.01 38:23:W.00 40:22:V.07`,
  ),
}
