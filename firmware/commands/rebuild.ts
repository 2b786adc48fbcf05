import { spawnSync } from 'node:child_process'
import { mkdtempSync, readdirSync, renameSync, rmSync } from 'node:fs'
import { availableParallelism } from 'node:os'
import { basename, join } from 'node:path'
import { UserError, wrongUsage } from '../app/errors.js'
import { inRoot } from '../root.js'
import { readArguments } from './arguments.js'

const usage = `usage: facelatch rebuild
Compiles the native parts on this machine, with its own GStreamer, and with TensorRT where its headers are: JetPack has
those on the board only. Takes minutes; a running facelatch goes on and takes them at its next start.`

const tools = { 'c++': 'g++', make: 'make', cmake: 'cmake', 'pkg-config': 'pkg-config' }
const libraries = {
  'gstreamer-1.0': 'libgstreamer1.0-dev',
  'gstreamer-app-1.0': 'libgstreamer-plugins-base1.0-dev',
}

export async function main(args: string[]): Promise<number> {
  const { positionals } = readArguments(args, {}, usage)
  if (positionals.length > 0) throw wrongUsage(usage.split('\n')[0]!)
  const missing = missingPackages()
  if (missing.length > 0)
    throw new UserError(`the compiler or its libraries are missing; run: apt-get install ${missing.join(' ')}`)
  const here = inRoot('build/native')
  let work: string
  try {
    // As deep as the parts will lie, so that they find ONNX Runtime by the same relative way.
    work = mkdtempSync(inRoot('build/rebuild-'))
  } catch (error) {
    throw new UserError(`cannot write ${inRoot('build')}: ${(error as NodeJS.ErrnoException).code}; run it as root`)
  }
  try {
    run('cmake', '-S', inRoot('native'), '-B', work, '-DCMAKE_BUILD_TYPE=Release', '-DFACELATCH_TESTS=OFF')
    run('cmake', '--build', work, '-j', String(availableParallelism()))
    const built = readdirSync(work).filter((name) => /^facelatch.*\.(node|so)$|^facelatch-guard$/.test(name))
    // In a process of its own: what crashes while it is loaded must not take the place of what works.
    run(process.execPath, '-e', 'require(process.argv[1]).versions()', join(work, 'facelatch.node'))
    for (const name of built) renameSync(join(work, name), join(here, basename(name)))
    const gpu = built.includes('facelatch-tensorrt.so')
    console.log(`built: ${built.join(', ')}`)
    console.log(
      gpu
        ? 'with TensorRT; "facelatch models build" makes its plans, then: systemctl restart facelatch'
        : 'without TensorRT: it, its headers or nvcc of CUDA are not here (TENSORRT_ROOT and CUDAToolkit_ROOT say where else); then: systemctl restart facelatch',
    )
    return 0
  } finally {
    rmSync(work, { recursive: true, force: true })
  }
}

function missingPackages(): string[] {
  const lacks = (command: string, ...args: string[]) => spawnSync(command, args, { stdio: 'ignore' }).status !== 0
  const found = Object.entries(tools).flatMap(([tool, name]) => (lacks(tool, '--version') ? [name] : []))
  if (found.includes('pkg-config')) return [...found, ...Object.values(libraries)]
  return [
    ...found,
    ...Object.entries(libraries).flatMap(([module, name]) => (lacks('pkg-config', '--exists', module) ? [name] : [])),
  ]
}

function run(command: string, ...args: string[]): void {
  const { status, error } = spawnSync(command, args, { stdio: ['ignore', 'ignore', 'inherit'] })
  if (status !== 0)
    throw new UserError(`${basename(command)} did not succeed${error ? `: ${error.message}` : ''}; nothing was changed`)
}
