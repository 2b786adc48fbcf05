/** A hundred seeded faults of two doors' cameras; `npm run test:chaos` plays a thousand. */
import t from 'tap'
import { cameraStorm } from '../support/camera-storm.js'

t.setTimeout(290_000)
t.jobs = 2
for (const seed of [1, 2]) t.test(`fifty faults of a camera, seed ${seed}`, (t) => cameraStorm(t, { rounds: 50, seed }))
