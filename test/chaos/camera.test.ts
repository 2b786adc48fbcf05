import t from 'tap'
import { cameraStorm } from '../support/camera-storm.js'

const rounds = Number(process.env.CHAOS_ROUNDS ?? 1000)
const seed = Number(process.env.CHAOS_SEED ?? 20261122)

t.setTimeout(7_200_000)
t.test(`${rounds} faults of a camera, seed ${seed}`, (t) => cameraStorm(t, { rounds, seed }))
