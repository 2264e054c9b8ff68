export const BUDGETS: Record<"core" | "react" | "node" | "msgpack", number>;
export function sizes(): Promise<Record<string, number>>;
