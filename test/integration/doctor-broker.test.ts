/** What doctor says of the broker: it logs in, as the door would. */
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import t from 'tap'
import { facelatch, makeHome } from '../support/appliance.js'
import { freePort, noMosquitto, startEmbedded, startMosquitto } from '../support/mosquitto.js'
import { temporaryDirectory } from '../support/temp.js'

t.setTimeout(300_000)

const credentials = { username: 'door', password: 'right' }

for (const [name, start, skip] of [
  ['the embedded broker', startEmbedded, false],
  ['mosquitto', startMosquitto, noMosquitto],
] as const)
  t.test(name, { skip }, async (t) => {
    const { url } = await start(t, { credentials })
    const passwordFile = join(temporaryDirectory(t), 'password')
    const doctor = async (mqtt: object) => {
      const { code, stdout } = await facelatch(['doctor', '--config', makeHome(t, { mqtt: { url, ...mqtt } }).config])
      return {
        code,
        said: stdout
          .split('\n')
          .filter((line) => /^\S+ +mqtt/.test(line))
          .join('\n'),
      }
    }
    const file = (password: string) => {
      writeFileSync(passwordFile, `${password}\n`, { mode: 0o600 })
      return { username: 'door', passwordFile }
    }
    t.match((await doctor(file('right'))).said, /^ok +mqtt +mqtt:\/\/127\.0\.0\.1:\d+ lets us in as door$/)
    const wrong = await doctor(file('wrong'))
    t.match(wrong, { code: 1, said: /^FAULT mqtt +127\.0\.0\.1:\d+ refuses our user name or password → correct mqtt/ })
    t.match((await doctor({})).said, /^FAULT mqtt .*refuses our user name or password/, 'nobody at all')
    t.match((await doctor({ username: 'door' })).said, /^note +mqtt .*tried without a password/)
  })

t.test('no broker', async (t) => {
  const { config } = makeHome(t, { mqtt: { url: `mqtt://127.0.0.1:${await freePort()}` } })
  t.match((await facelatch(['doctor', '--config', config])).stdout, /note +mqtt +nothing listens at .*events will wait/)
})
