// A link that asks before something is removed opens its dialog; without a script it leads to the same question.
'use strict';
document.addEventListener('click', event => {
  const link = event.target.closest('a[data-dialog]');
  if (!link) return;
  event.preventDefault();
  const dialog = document.querySelector(link.dataset.dialog);
  if (!dialog.open) dialog.showModal();
});
document.addEventListener('click', event => {
  const link = event.target.closest('dialog a[data-close]');
  if (!link) return;
  event.preventDefault();
  link.closest('dialog').close();
});
