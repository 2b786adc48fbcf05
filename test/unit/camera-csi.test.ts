import t from 'tap'
import { cameraOptions, sessionOptions } from '../../firmware/camera.js'
import { loadConfig } from '../../firmware/config.js'

const variables = (more: Record<string, string>) => loadConfig([], { FACELATCH_CAMERA_SOURCE: 'csi:0', ...more }).camera

t.test('settings of the sensor as nvarguscamerasrc wants them; what is not set is left alone', async (t) => {
  t.same(cameraOptions(variables({})).properties, {})
  const set = variables({
    FACELATCH_CAMERA_CSI_EXPOSURE_MS: '[0.1, 33.3]',
    FACELATCH_CAMERA_CSI_GAIN: '[1, 10.5]',
    FACELATCH_CAMERA_CSI_DIGITAL_GAIN: '[1, 2]',
    FACELATCH_CAMERA_CSI_WHITE_BALANCE: 'daylight',
    FACELATCH_CAMERA_CSI_ANTIBANDING: '50Hz',
    FACELATCH_CAMERA_CSI_NOISE_REDUCTION: 'best',
    FACELATCH_CAMERA_CSI_EDGES: 'off',
    FACELATCH_CAMERA_CSI_EXPOSURE_COMPENSATION: '-0.5',
    FACELATCH_CAMERA_CSI_LOCK_EXPOSURE: 'true',
    FACELATCH_CAMERA_CSI_SENSOR_MODE: '4',
  })
  t.same(cameraOptions(set).properties, {
    'sensor-mode': '4',
    exposuretimerange: '100000 33300000',
    gainrange: '1 10.5',
    ispdigitalgainrange: '1 2',
    exposurecompensation: '-0.5',
    aelock: 'true',
    wbmode: '5',
    aeantibanding: '2',
    'tnr-mode': '2',
    'ee-mode': '0',
  })
})

t.test('settings that make no sense are named', async (t) => {
  const refused = (name: string, value: string, key: RegExp) =>
    t.throws(() => variables({ [`FACELATCH_CAMERA_${name}`]: value }), { message: key })
  refused('CSI_GAIN', '[8, 2]', /camera\.csi\.gain.*the smaller first/)
  refused('CSI_GAIN', '[1]', /camera\.csi\.gain/)
  refused('CSI_WHITE_BALANCE', 'sunny', /camera\.csi\.whiteBalance/)
  refused('REBOOT_MINUTES', '5', /camera\.rebootMinutes.*10/)
  refused('OPEN_SECONDS', '0', /camera\.openSeconds/)
  refused('RECOVERY', 'magic', /camera\.recovery/)
})

t.test('what counts as a fault goes by the source', async (t) => {
  const of = (source: string, more = {}) => sessionOptions(variables({ FACELATCH_CAMERA_SOURCE: source, ...more }))
  t.match(of('csi:0'), { recording: false, frozenMs: 5000, size: { width: 640, height: 480 } })
  t.match(of('v4l2:/dev/video0', { FACELATCH_CAMERA_FROZEN_SECONDS: '0' }), { frozenMs: 0 })
  t.same(of('rtsp://host/live'), { recording: false, frozenMs: 0 }, 'a still scene may well be coded as such')
  t.match(of('rtsp://host/live', { FACELATCH_CAMERA_FROZEN_SECONDS: '60' }), { frozenMs: 60_000 })
  t.same(of('file:x.mp4', { FACELATCH_CAMERA_FROZEN_SECONDS: '60' }), { recording: true, frozenMs: 0 })
})
