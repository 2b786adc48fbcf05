/** The thread of trainer-thread.ts: a gallery in, a machine out. */
import { parentPort, workerData } from 'node:worker_threads'
import type { Gallery } from '../domain/classifiers.js'
import { train } from '../domain/svm.js'

parentPort?.postMessage(train(workerData as Gallery))
