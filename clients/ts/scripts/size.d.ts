export const BUDGETS: Record<"core" | "session" | "react" | "node" | "msgpack", number>;
export function sizes(): Promise<Record<string, number>>;
