import t from 'tap'
import { chaos } from '../support/chaos.js'
import { noMosquitto } from '../support/mosquitto.js'

t.setTimeout(300_000)
t.test('five outages', { skip: noMosquitto }, (t) => chaos(t, { rounds: 5, seed: 5, faces: false }))
