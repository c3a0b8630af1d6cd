// Clocks that run between two events: data-until counts down to a moment (seconds since 1970), data-since counts up.
'use strict';
(() => {
  const text = seconds => {
    const whole = Math.max(0, Math.floor(seconds)), hours = Math.floor(whole / 3600), minutes = Math.floor(whole / 60) % 60;
    const rest = String(whole % 60).padStart(2, '0');
    return hours ? `${hours}:${String(minutes).padStart(2, '0')}:${rest}` : `${minutes}:${rest}`;
  };
  const tick = () => {
    const now = Date.now() / 1000;
    document.querySelectorAll('[data-until]').forEach(each => { each.textContent = text(each.dataset.until - now); });
    document.querySelectorAll('[data-since]').forEach(each => { each.textContent = text(now - each.dataset.since); });
  };
  setInterval(tick, 1000);
  document.addEventListener('shown', tick);
  tick();
})();
