import t from 'tap'
import { chaos } from '../support/chaos.js'
import { noMosquitto } from '../support/mosquitto.js'

const rounds = Number(process.env.CHAOS_ROUNDS ?? 200)
const seed = Number(process.env.CHAOS_SEED ?? 20261122)

t.setTimeout(7_200_000)
t.test(`${rounds} outages, seed ${seed}`, { skip: noMosquitto }, (t) => chaos(t, { rounds, seed, faces: true }))
