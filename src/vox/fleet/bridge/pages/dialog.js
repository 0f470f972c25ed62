// Asks before something is done that cannot be taken back.

const dialog = document.getElementById("dialog");
const field = document.getElementById("dialog-field");
const input = document.getElementById("dialog-input");
const yes = document.getElementById("dialog-yes");
// Gives the answer of the question that was asked last; null where it was given.
let settle = null;

// Resolves to false, or to true or the number in the field.
export function confirm({ title, text, action, isStop = false, number = null }) {
  const invoker = document.activeElement;
  settle?.(); // a question whose close event has not come yet
  document.getElementById("dialog-title").textContent = title;
  document.getElementById("dialog-text").textContent = text;
  yes.textContent = action;
  yes.className = isStop ? "stop" : "strong";
  field.hidden = number === null;
  input.required = number !== null;
  if (number !== null) {
    field.querySelector("label").textContent = number.label;
    input.value = String(number.value);
    input.max = String(number.most);
  }
  dialog.returnValue = "";
  dialog.showModal();
  return new Promise((resolve) => {
    settle = () => {
      settle = null;
      invoker?.focus?.();
      resolve(dialog.returnValue === "yes" && (number === null ? true : Number(input.value)));
    };
  });
}

// The event comes in a task of its own, by which time the next question may be open.
dialog.addEventListener("close", () => {
  if (!dialog.open) settle?.();
});
document.getElementById("dialog-no").addEventListener("click", () => dialog.close(""));
