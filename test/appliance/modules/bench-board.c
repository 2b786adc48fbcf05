// SPDX-License-Identifier: GPL-2.0
/*
 * What a board has beside GPIO, for tests: a thermal zone whose temperature is set, a PWM and a fan that note what they
 * are told. Debian's kernels have no CONFIG_THERMAL_EMULATION, no PWM without hardware, and no pwm-fan that needs no
 * device tree. The kernel's own thermal, PWM and hwmon code stands between this and the programs under test.
 *
 * Seen and moved from the hardware's side in /sys/module/bench_board/parameters:
 *
 *   temperature    millidegrees Celsius; below -273150 the sensor fails with EIO
 *   period_ns, duty_ns, enabled    what the PWM was last told
 *   fan_pwm        0 to 255, what the fan was last told; fan_rpm: what its tachometer says
 *
 * GPL-2.0 and apart from the product: the kernel gives these interfaces to modules of that licence only.
 */
#include <linux/err.h>
#include <linux/hwmon.h>
#include <linux/module.h>
#include <linux/platform_device.h>
#include <linux/pwm.h>
#include <linux/thermal.h>

static int temperature = 40000;
static ulong period_ns, duty_ns;
static int enabled, fan_pwm, fan_rpm;
module_param(temperature, int, 0644);
module_param(period_ns, ulong, 0444);
module_param(duty_ns, ulong, 0444);
module_param(enabled, int, 0444);
module_param(fan_pwm, int, 0444);
module_param(fan_rpm, int, 0644);

static struct platform_device *fan_device, *pwm_device;
static struct thermal_zone_device *zone;
static struct pwm_chip chip;

static int get_temp(struct thermal_zone_device *of, int *millidegrees)
{
	if (temperature < -273150)
		return -EIO;
	*millidegrees = temperature;
	return 0;
}

static struct thermal_zone_device_ops zone_ops = { .get_temp = get_temp };

static int apply(struct pwm_chip *of, struct pwm_device *pwm, const struct pwm_state *state)
{
	period_ns = state->period;
	duty_ns = state->duty_cycle;
	enabled = state->enabled;
	return 0;
}

static const struct pwm_ops pwm_ops = { .owner = THIS_MODULE, .apply = apply };

static umode_t fan_visible(const void *data, enum hwmon_sensor_types type, u32 attribute, int channel)
{
	return type == hwmon_pwm ? 0644 : 0444;
}

static int fan_read(struct device *of, enum hwmon_sensor_types type, u32 attribute, int channel, long *value)
{
	*value = type == hwmon_pwm ? fan_pwm : fan_rpm;
	return 0;
}

static int fan_write(struct device *of, enum hwmon_sensor_types type, u32 attribute, int channel, long value)
{
	if (value < 0 || value > 255)
		return -EINVAL;
	fan_pwm = value;
	return 0;
}

static const struct hwmon_channel_info *fan_channels[] = {
	HWMON_CHANNEL_INFO(pwm, HWMON_PWM_INPUT),
	HWMON_CHANNEL_INFO(fan, HWMON_F_INPUT),
	NULL
};
static const struct hwmon_ops fan_ops = { .is_visible = fan_visible, .read = fan_read, .write = fan_write };
static const struct hwmon_chip_info fan_info = { .ops = &fan_ops, .info = fan_channels };

static int __init bench_board_init(void)
{
	struct device *fan;
	int error;

	/* As JetPack 5 names it: /sys/devices/platform/pwm-fan/hwmon/hwmonN/pwm1. */
	fan_device = platform_device_register_simple("pwm-fan", PLATFORM_DEVID_NONE, NULL, 0);
	if (IS_ERR(fan_device))
		return PTR_ERR(fan_device);
	fan = devm_hwmon_device_register_with_info(&fan_device->dev, "pwmfan", NULL, &fan_info, NULL);
	if (IS_ERR(fan)) {
		error = PTR_ERR(fan);
		goto no_pwm;
	}
	/* An Orin's controller by its address: /sys/devices/platform/32a0000.pwm/pwm/pwmchipN. */
	pwm_device = platform_device_register_simple("32a0000.pwm", PLATFORM_DEVID_NONE, NULL, 0);
	if (IS_ERR(pwm_device)) {
		error = PTR_ERR(pwm_device);
		goto no_pwm;
	}
	chip.dev = &pwm_device->dev;
	chip.ops = &pwm_ops;
	chip.npwm = 1;
	error = pwmchip_add(&chip);
	if (error)
		goto no_chip;
	zone = thermal_zone_device_register("bench-thermal", 0, 0, NULL, &zone_ops, NULL, 0, 0);
	if (IS_ERR(zone)) {
		error = PTR_ERR(zone);
		goto no_zone;
	}
	error = thermal_zone_device_enable(zone);
	if (!error)
		return 0;
	thermal_zone_device_unregister(zone);
no_zone:
	pwmchip_remove(&chip);
no_chip:
	platform_device_unregister(pwm_device);
no_pwm:
	platform_device_unregister(fan_device);
	return error;
}

static void __exit bench_board_exit(void)
{
	thermal_zone_device_unregister(zone);
	pwmchip_remove(&chip);
	platform_device_unregister(pwm_device);
	platform_device_unregister(fan_device);
}

module_init(bench_board_init);
module_exit(bench_board_exit);
MODULE_LICENSE("GPL");
MODULE_DESCRIPTION("A thermal zone, a PWM and a fan for tests");
