import t from 'tap'
import { cureOf, isSign, whatHelps } from '../../firmware/domain/camera-faults.js'

const error = (reason: string) => whatHelps({ kind: 'error', reason })

t.test('messages of Argus, and what helped', async (t) => {
  const table: [string, string][] = [
    ['Error generated. gstnvarguscamerasrc.cpp, execute:751 Failed to create CaptureSession', 'cure'],
    ['Argus Error Status: TIMEOUT', 'any'],
    ['(Argus) Error Timeout: Argus Error Status 2', 'any'],
    ['Session has suffered a critical failure', 'cure'],
    ['WARNING Argus: 5 client objects still exist during shutdown; CameraProvider was not destroyed before', 'cure'],
    ['NvBufSurfaceFromFd Failed.', 'reboot'],
    ['(Argus) CaptureProvider destroyed', 'cure'],
    ['(Argus) Error FileOperationFailed: Connecting to nvargus-daemon failed: Connection refused', 'cure'],
    ['deadlock in waitForIdle', 'process'],
    ['No cameras available', 'cure'],
    ['cannot open camera v4l2:/dev/video0: Permission denied; check', 'operator'],
    ['something new', 'any'],
  ]
  for (const [text, help] of table) t.equal(error(text), help, text)
})

t.test('what drivers printed counts as well, the worst first', async (t) => {
  const silent = { kind: 'silent', reason: 'no first frame within 5.0 s' } as const
  t.equal(whatHelps(silent), 'any')
  t.equal(whatHelps(silent, ['Failed to create CaptureSession']), 'cure')
  t.equal(whatHelps(silent, ['Failed to create CaptureSession', 'NvBufSurfaceFromFd Failed']), 'reboot')
  t.ok(isSign('Failed to create CaptureSession'))
  t.notOk(isSign('GST_ARGUS: Creating output stream'))
})

t.test('what a library grumbles about at each opening keeps no daemon from being restarted', async (t) => {
  const grumble = 'libEGL warning: failed to open /dev/dri/card0: Permission denied'
  t.equal(whatHelps({ kind: 'silent', reason: 'no first frame within 5.0 s' }, [grumble]), 'any')
  t.equal(whatHelps({ kind: 'stall', reason: 'no frame for 5.0 s' }, [grumble, 'no property named "x"']), 'any')
  t.notOk(isSign(grumble))
})

t.test('kinds that speak for themselves', async (t) => {
  const help = (kind: 'absent' | 'stuck' | 'refused' | 'size') =>
    whatHelps({ kind, reason: 'x' }, kind === 'size' ? [] : ['Failed to create CaptureSession'])
  t.equal(help('absent'), 'device')
  t.equal(help('stuck'), 'process')
  t.equal(help('refused'), 'operator')
  t.equal(help('size'), 'client')
})

t.test('what stands behind a camera', async (t) => {
  t.equal(cureOf('csi:0', 'auto'), 'nvargus')
  t.equal(cureOf('gst:nvarguscamerasrc sensor-id=1 ! nvvidconv', 'auto'), 'nvargus')
  t.equal(cureOf('v4l2:/dev/video0', 'auto'), 'usb')
  for (const source of ['rtsp://host/live', 'file:x.mp4', 'gst:videotestsrc']) t.equal(cureOf(source, 'auto'), 'none')
  t.equal(cureOf('gst:videotestsrc', 'nvargus'), 'nvargus')
  t.equal(cureOf('csi:0', 'reopen'), 'none')
})
