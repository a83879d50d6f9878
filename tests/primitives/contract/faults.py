"""The faults that the checks must notice, at least one for each check."""

from __future__ import annotations

from tests.primitives.contract.broken import Broken

ADDED = "        super().add_param_group(param_group)\n\n    @torch.no_grad()"
ALL = "        for _, w in ready:\n"
MOVE = "        w.copy_(new)\n"
RATE = '        lr = group["lr"].reshape(()) if isinstance(group["lr"], Tensor) else group["lr"]\n'
SIGN = '-w.grad.to(kind) if group["maximize"] else w.grad.to(kind)'
IN_GROUPS = 'for group in given["param_groups"]'
METHOD = "    def start("
REFUSED = '"foreach", "capturable", "differentiable", "fused"'
AUTOCAST = "torch.autocast(w.device.type, enabled=False), "
STRANGE = "if w.grad.layout != torch.strided or w.grad.is_complex():"
LOADED = "kept.to(w.device)"
COUNTED = "value if isinstance(value, Tensor) else torch.tensor(float(value))"
NEW = "new = w - lr"


def right(check: str, old: str, new: str, *more: tuple[str, str]) -> Broken:
    """A fault in the optimizer that needs no closure."""
    return Broken(check, "Right", ((old, new), *more))


def sharp(check: str, old: str, new: str) -> Broken:
    """A fault in the one that asks for the loss itself."""
    return Broken(check, "Sharp", ((old, new),))


def added(line: str) -> str:
    """The text in which a line follows where a group is added."""
    return ADDED.replace("\n\n", f"\n        {line}\n\n", 1)


def rate(line: str) -> str:
    """The text in which a line follows where the rate is read."""
    return f"{RATE}        {line}\n"


GROUPS = (
    right("groups_are_optimizers_of_their_own", 'group["beta1"], g', 'self.defaults["beta1"], g'),
    right("groups_may_come_later", ADDED, added("self.state.clear()")),
    right("names_of_parameters_are_kept", ADDED, added('self.param_groups[-1].pop("param_names", None)')),
    right("hyperparameters_are_read_at_each_step", 'group["eps"]', 'self.defaults["eps"]'),
    right("hyperparameters_are_read_at_each_step", 'if group["maximize"]', 'if self.defaults["maximize"]'),
    sharp("hyperparameters_are_read_at_each_step", 'group["rho"]', 'self.defaults["rho"]'),
    right("the_learning_rate_matters", RATE, "        lr = 0.01\n"),
    right("maximize_follows_the_negative_gradient", SIGN, "w.grad.to(kind)"),
    sharp("maximize_follows_the_negative_gradient", "w.add_(sign * w.grad", "w.add_(w.grad"),
    right(
        "the_learning_rate_may_be_a_tensor",
        RATE,
        rate('lr = group.setdefault("rate", float(lr)) if torch.is_tensor(lr) else lr'),
    ),
    right("the_learning_rate_may_be_a_tensor", RATE, rate("lr = lr.mul_(1.0001) if isinstance(lr, Tensor) else lr")),
    right("wrong_hyperparameters_are_refused", " or math.isnan(value)", ""),
    right("wrong_hyperparameters_are_refused", "and value > 1", "and value > 2"),
    right(
        "wrong_hyperparameters_are_refused",
        ADDED,
        added("check('eps', options['eps'])"),
        ("if name not in FLAGS and", "if name not in (*FLAGS, 'eps') and"),
    ),
    sharp("roles_come_from_the_group", 'group["role"] != "vector"', 'self.defaults["role"] != "vector"'),
    sharp("roles_come_from_the_group", 'not in (None, "vector", "hidden")', "is self"),
)

STEPS = (
    right("the_closure_runs_first", "torch.enable_grad()", "torch.no_grad()"),
    right("the_closure_runs_first", "return loss\n", "return None\n"),
    sharp("the_closure_runs_first", "            loss = closure()", "            loss = 2 * closure()"),
    right("a_closure_is_asked_for", "needs_closure = False", "needs_closure = True"),
    sharp(
        "a_closure_is_asked_for", 'raise RuntimeError("Sharp asks for the loss itself: call step(closure).")', "return"
    ),
    right("states_are_made_lazily", ADDED, added("[self.start(self.defaults, w) for w in param_group['params']]")),
    right("states_are_made_lazily", 't = state["step"] + 1', 't = sum(x["step"] for x in self.state.values()) + 1'),
    right("states_are_made_lazily", "if w.grad is not None", "if self.state[w] is not None and w.grad is not None"),
    right("states_are_tensors_or_numbers", "torch.zeros((), dtype", "torch.zeros(1, dtype"),
    right("the_default_type_does_not_matter", "torch.zeros((), dtype=torch.float32, ", "torch.zeros((), "),
    right("low_precision_is_only_in_the_weights", "torch.promote_types(w.dtype, torch.float32)", "w.dtype"),
    right("low_precision_is_only_in_the_weights", MOVE, "        w.sub_((w - new).to(w.dtype))\n"),
    right("gradients_are_left_alone", SIGN, "w.grad.add_(group['weight_decay'] * w)"),
    right("weights_stay_where_they_are", MOVE, "        w.data = new\n"),
    right(
        "empty_tensors_change_nothing",
        ALL,
        f"        ready = [x for x in ready if all(r[1].numel() for r in ready)]\n{ALL}",
    ),
    right("no_dimensions_are_one_element", MOVE, "        w[:].copy_(new)\n"),
    right("strides_do_not_matter", MOVE, "        w.as_strided(w.shape, torch.empty(w.shape).stride()).copy_(new)\n"),
    right("sparse_gradients_are_refused", STRANGE, "if w.grad.is_complex():"),
    right("complex_parameters_are_refused", STRANGE, "if w.grad.layout != torch.strided:"),
)

SAVING = (
    right("state_dicts_come_back_bit_for_bit", LOADED, "kept.to(w.dtype)"),
    right(
        "state_dicts_come_back_bit_for_bit",
        METHOD,
        f"    def last(self) -> Any: ...\n\n{METHOD}",
        ("t = state", "self.t = t = state"),
        ("(1 - beta2**t).sqrt()", "(1 - beta2**t).sqrt() + 0.01 * getattr(self, 't_last', 0)"),
        (MOVE, f"{MOVE}        self.t_last = float(t)\n"),
    ),
    right("loading_keeps_types", LOADED, "kept.to(w.dtype) if kept.ndim else kept"),
    right(
        "copies_go_on_alike",
        METHOD,
        f"    def __reduce__(self) -> Any:\n        return type(self), (self.param_groups,)\n\n{METHOD}",
    ),
    right(
        "a_shallow_copy_steps_the_same_parameters",
        METHOD,
        f"    def __copy__(self) -> Any:\n        return type(self)(self.param_groups)\n\n{METHOD}",
    ),
    right("a_dict_from_before_the_flags_can_be_loaded", "group.setdefault(name, value)", "pass"),
)

MODES = (
    right("foreach_does_as_the_plain_loop", RATE, rate('lr = lr * 1.01 if group["foreach"] else lr')),
    sharp("foreach_does_as_the_plain_loop", REFUSED, '"capturable", "differentiable", "fused"'),
    right("what_cannot_go_together_is_refused", "if sum(options", "if not options and sum(options"),
    sharp("what_cannot_go_together_is_refused", REFUSED, '"foreach", "capturable", "differentiable"'),
    right("capturable_does_as_the_plain_step", RATE, rate('lr = lr * 1.01 if group["capturable"] else lr')),
    right("capturable_reads_nothing_back", 't = state["step"] + 1', 't = torch.tensor(state["step"].item() + 1)'),
    right(
        "a_differentiable_step_has_a_derivative", 'torch.set_grad_enabled(group["differentiable"])', "torch.no_grad()"
    ),
    right("a_differentiable_step_has_a_derivative", '"m": m,', '"m": m.detach(),'),
    right(
        "a_differentiable_step_moves_as_the_plain_one", RATE, rate('lr = lr * 1.01 if group["differentiable"] else lr')
    ),
    right("nothing_moves_at_no_rate", NEW, "new = 0.99 * w - lr"),
    right("elementwise_means_that_cutting_changes_nothing", SIGN, "w.grad.to(kind).clamp(max=w.grad.mean().abs())"),
    right("elementwise_means_that_cutting_changes_nothing", "elementwise = True", "elementwise = False"),
    right("flags_are_read_from_the_group", RATE, rate('lr = lr * (1.1 if group["capturable"] else 1)')),
)

TOOLS = (
    right("schedulers_set_the_rate", RATE, RATE.replace('group["lr"]', 'self.defaults["lr"]')),
    right("schedulers_that_look_at_more_work", RATE, rate('group["lr"] = self.defaults["lr"]')),
    right("averages_follow", MOVE, "        w.clone().copy_(new)\n"),
    right("gradients_add_up", MOVE, f"{MOVE}        w.grad = None\n"),
    right("a_gradient_scaler_changes_nothing", "elementwise = True", "elementwise = _step_supports_amp_scaling = True"),
    right(
        "autocast_changes_nothing", AUTOCAST, "", (SIGN, "(torch.ones(1, 1) @ w.grad.reshape(1, -1)).reshape(w.shape)")
    ),
    right("hooks_see_each_step", METHOD, f"    step.hooked = True  # type: ignore\n\n{METHOD}"),
    right("profilers_see_each_step", METHOD, f"    step.hooked = True  # type: ignore\n\n{METHOD}"),
    right(
        "hooks_see_each_state_dict",
        METHOD,
        "    def state_dict(self) -> Any:\n        found = super().state_dict()\n"
        f"        return {{name: found[name] for name in ('state', 'param_groups')}}\n\n{METHOD}",
    ),
    right("hooks_see_each_state_dict", "given.update(final)", "given.update(state_dict)"),
    right("it_prints_its_options", METHOD, f"    def __repr__(self) -> str:\n        return 'Right()'\n\n{METHOD}"),
    right("checkpoints_of_distributed_training_work", NEW, "new = 0.99 * w - lr"),
)

FAULTS = (*GROUPS, *STEPS, *SAVING, *MODES, *TOOLS)

MACHINERY_FAULTS = (
    right("errors_are_raised", "value.numel() != 1", "value.numel() > 9"),
    right("errors_are_raised", "if sum(options", "if not options and sum(options"),
    right("it_goes_in_the_right_direction", SIGN, "w.grad.to(kind)"),
    right(
        "it_goes_in_the_right_direction", MOVE, "        w.as_strided(w.shape, new.contiguous().stride()).copy_(new)\n"
    ),
    right("foreach_matches_the_loop", RATE, rate('lr = lr * 1.01 if group["foreach"] else lr')),
    right("groups_have_their_rates", MOVE, f'{MOVE}        [p.mul_(0.9) for p in self.param_groups[-1]["params"]]\n'),
    right(
        "without_gradients_nothing_happens",
        "if w.grad is not None",
        "if self.state[w] is not None or w.grad is not None",
    ),
    right("state_dicts_are_deterministic", LOADED, "kept + 1e-3"),
    right("states_load_with_and_without_names", IN_GROUPS, f"{IN_GROUPS} if 'param_names' in group"),
    right("states_load_into_other_types", "w.copy_(new)", "w.data = new"),
    right("a_counter_may_be_a_number", COUNTED, "value"),
    right(
        "copies_have_all_attributes",
        METHOD,
        f"    def __getstate__(self) -> Any:\n        return self.__dict__ | {{'more': 1}}\n\n{METHOD}",
    ),
    right("a_step_makes_states", ALL, f"        ready = [x for x in ready if x[1].numel()]\n{ALL}"),
)

COUNTS = '        state["n"] = state.get("n", 0) + 1\n        new = new + 0 * state["n"]\n'
COMPILE_FAULTS = (
    right("a_step_is_one_graph", 't = state["step"] + 1', 't = state["step"] + (1 if state["step"] < 9 else 2)'),
    right("a_step_is_one_graph", MOVE, f"{COUNTS}{MOVE}"),
    right("states_may_be_made_in_the_graph", MOVE, f"{COUNTS}{MOVE}"),
    right("fused_does_as_the_plain_step", RATE, rate('lr = lr * 1.01 if group["fused"] else lr')),
    right("without_a_compiler_fused_is_plain", "        if fused:\n", "        if foreach:\n"),
    right("without_a_compiler_fused_is_plain", RATE, rate('group["fused"] and warnings.warn("plain")')),
)

RANK = "(torch.distributed.is_initialized() and torch.distributed.get_rank())"
LOCAL = "(w.grad.to_local() if hasattr(w.grad, 'to_local') else w.grad)"
RANK_FAULTS = (
    right("replicated", RATE, rate(f"lr = lr * (1 + {RANK})")),
    right("sharded", SIGN, f"w.grad / (1 + {LOCAL}.norm())"),
    right("cut", SIGN, f"w.grad / (1 + {LOCAL}.norm())"),
    right("checkpointed", LOADED, "kept + 1e-3"),
    sharp("refused", "isinstance(w, DTensor)", "w is None"),
)
