export function mangling(): { readonly mangleProps: RegExp; readonly mangleCache: Readonly<Record<string, string>> };
