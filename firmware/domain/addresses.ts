/** Addresses of cameras and brokers, which may hold a user and a password. */
const userInfo = /:\/\/[^\s/]*@/g

/** Without what stands before the `@`, as it may be shown to anybody. */
export const withoutUser = (text: string): string => text.replace(userInfo, '://***@')

/** Whether it says more than may be shown. */
export const holdsUser = (text: string): boolean => withoutUser(text) !== text
