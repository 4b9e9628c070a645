// A form's controls: which recipe, and the parameters that go with it.

const control = (field) => field.querySelector('input, select');

// valueOf is a field's value of its parameter's type.
function valueOf(field) {
  const { value, defaultValue } = control(field);
  switch (field.dataset.type) {
    case 'number': return Number(value);
    case 'integer': return Number(value === '' ? defaultValue : value);
    case 'boolean': return value === 'true';
    default: return value;
  }
}

export class Controls {
  constructor(form, onChange, signal) {
    this.form = form;
    this.sets = [...form.querySelectorAll('fieldset.recipe')];
    this.onChange = onChange;
    form.addEventListener('input', () => this.update(), { signal });
    form.addEventListener('change', () => this.update(), { signal });
    form.addEventListener('click', (e) => {
      const swatch = e.target.closest('.swatch');
      if (!swatch) return;
      swatch.closest('.field').querySelector('input').value = swatch.dataset.colour;
      this.update();
    }, { signal });
    this.update();
  }

  get recipe() { return this.form.querySelector('input[name=recipe]:checked')?.value ?? ''; }

  // job is what is chosen now, as the API takes it.
  job() {
    const params = {};
    for (const field of this.fields()) params[field.dataset.param] = valueOf(field);
    return { recipe: this.recipe, params };
  }

  // choose sets recipe and params to those of a job; what is not known stays as it is.
  choose({ recipe, params = {} }) {
    const radio = [...this.form.querySelectorAll('input[name=recipe]')].find((r) => r.value === recipe);
    if (radio) radio.checked = true;
    for (const field of this.fields()) {
      const value = params[field.dataset.param];
      if (value !== undefined) control(field).value = String(value);
    }
    this.update();
  }

  fields() {
    const set = this.sets.find((s) => s.dataset.recipe === this.recipe);
    return set ? [...set.querySelectorAll('[data-param]')] : [];
  }

  update() {
    for (const set of this.sets) {
      const off = set.dataset.recipe !== this.recipe;
      set.toggleAttribute('data-off', off);
      set.disabled = off;
    }
    for (const field of this.fields()) {
      const input = control(field);
      const output = field.querySelector('output');
      if (output) output.value = Number(input.value).toFixed(2);
      for (const swatch of field.querySelectorAll('.swatch')) {
        swatch.setAttribute('aria-pressed', String(swatch.dataset.colour === input.value.toLowerCase()));
      }
    }
    this.onChange(this.job());
  }
}
