// The form's controls: which recipe, and the parameters that go with it.

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
  constructor(form, onChange) {
    this.select = form.querySelector('#recipe');
    this.sets = [...form.querySelectorAll('fieldset.recipe')];
    this.onChange = onChange;
    this.select.addEventListener('change', () => this.update());
    for (const set of this.sets) {
      set.addEventListener('input', () => this.update());
      set.addEventListener('click', (e) => {
        const swatch = e.target.closest('.swatch');
        if (!swatch) return;
        swatch.closest('.field').querySelector('input').value = swatch.dataset.colour;
        this.update();
      });
    }
    this.update();
  }

  // job is what is chosen now, as the API takes it.
  job() {
    const params = {};
    for (const field of this.fields()) {
      params[field.dataset.param] = valueOf(field);
    }
    return { recipe: this.select.value, params };
  }

  fields() {
    const set = this.sets.find((s) => s.dataset.recipe === this.select.value);
    return set ? [...set.querySelectorAll('[data-param]')] : [];
  }

  update() {
    for (const set of this.sets) {
      const off = set.dataset.recipe !== this.select.value;
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
