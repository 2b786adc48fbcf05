/** Addresses of cameras and brokers hold passwords, and messages about them go to logs, the home and crash reports. */

/** What stands before the `@` of an address, an `@` of its own included. */
const userInfo = /:\/\/[^\s/]*@/g
/** `rtspsrc user-pw=…`, and the queries of cameras that know no other way. */
const named = /((?:user-pw|passw(?:or)?d|passwd|pass|pwd)=)("[^"]*"|'[^']*'|[^\s&"']+)/gi

export const withoutPasswords = (text: string): string => text.replace(userInfo, '://***@').replace(named, '$1***')

/** Whether it says more than may be shown. */
export const holdsPassword = (text: string): boolean => withoutPasswords(text) !== text
