// The bank's half: the rates, and a customer. It serves node and the page alike.
// Notice that a function of WIT is a function of JavaScript, and an option is a value or undefined.

const RATES = { EUR: 1, USD: 1.25, JPY: 160 };

/** What the component imports, as the WIT names it. */
export const imports = {
    rate: { default: (currency) => RATES[currency] },
};

/** Calls what the component exports. */
export function run(component, [amount, from, to], print) {
    try {
        const receipt = component.convert(Number(amount), from, to);
        print(`${amount} ${from} are ${receipt.amount.toFixed(2)} ${to}, after a fee of ${receipt.fee.toFixed(2)} ${from}`);
    } catch (error) {
        if (!error.payload) throw error; // a result of WIT is a value, or an exception that has the error
        print(`no: ${error.payload.tag} ${error.payload.val ?? ""}`.trim());
    }
}
