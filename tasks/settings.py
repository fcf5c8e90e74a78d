"""Every setting there is: one model tree, from which the CLI's flags, the profile files, Prefect's
parameter forms and `prefect.yaml` all come.

Defaults follow `docs/method.md` (the paper where it speaks, IPR where it is silent). Unknown keys, wrong
types and impossible values are refused before anything starts, with key, value and what is allowed.
"""

import hashlib
import json
import tomllib
from difflib import SequenceMatcher
from pathlib import Path
from typing import Any, Literal
from urllib.parse import urlsplit

from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator, model_validator

from rro.data import resource
from rro.tasks.environments.base import environment_class
from rro.tasks.errors import UserError


class Group(BaseModel):
    """A group of settings that refuses unknown keys and cannot be changed afterwards."""

    model_config = ConfigDict(extra="forbid", frozen=True, use_attribute_docstrings=True, allow_inf_nan=False)


class EnvironmentSettings(Group):
    """Where the agent acts."""

    name: str = "webshop"
    """Name under the entry point group `rro.environments`."""
    options: dict[str, Any] = Field(default_factory=dict)
    """The environment's own settings."""

    @model_validator(mode="after")
    def _options_fit(self) -> "EnvironmentSettings":
        check_options(environment_class(self.name).Options, self.options, "environment.options")
        return self


class ExpertSettings(Group):
    """The demonstrations that SFT imitates."""

    tasks: int = Field(1500, ge=1)
    """How many training tasks the scripted expert demonstrates."""
    options: dict[str, Any] = Field(default_factory=dict)
    """The expert's own settings, its flaws among them."""


class TinyModelSettings(Group):
    """The small model that is built from nothing when `policy.base` is `tiny`."""

    hidden_size: int = Field(128, ge=32, multiple_of=32)
    layers: int = Field(4, ge=1)
    intermediate_size: int = Field(512, ge=64)
    vocabulary: int = Field(2048, ge=300)
    context: int = Field(2048, ge=128)


class EngineSettings(Group):
    """How tokens are generated."""

    kind: Literal["vllm", "server", "endpoints"] = "vllm"
    """vLLM in this process, a vLLM server that is started and stopped with it, or servers at `urls`."""
    urls: list[str] = Field(default_factory=list)
    """OpenAI-compatible servers, for example `http://host:8000`; for kind `endpoints` only."""
    model: str = ""
    """Name under which the endpoints serve the policy; empty takes the one that they list."""
    api_key_env: str = "RRO_API_KEY"
    """Environment variable that holds the endpoints' API key; unset or empty sends none."""
    api_key_secret: str = ""
    """Prefect Secret block that holds the API key; goes before `api_key_env`."""
    swap: Literal["vllm", "none"] = "vllm"
    """How endpoints take another policy: by vLLM's development API, or not at all."""
    timeout: float = Field(600.0, gt=0)
    """Seconds to wait for an endpoint's answer; a longer silence is a failure."""
    patience: float = Field(300.0, gt=0)
    """Seconds to wait while no endpoint answers a request."""
    dtype: Literal["float32", "bfloat16", "auto"] = "auto"
    max_model_len: int = Field(2048, ge=64)
    """Longest prompt and completion together, in tokens."""
    max_num_seqs: int = Field(256, ge=1)
    """Sequences the engine, or each endpoint, decodes together."""
    kv_cache_gib: float = Field(0.0, ge=0)
    """Memory for cached keys and values; 0 takes 1 GiB on a CPU, and on a GPU what vLLM finds free."""
    block_size: int = Field(32, ge=8)
    """Tokens in a block of the prefix cache; only whole blocks are shared."""
    threads: int = Field(0, ge=0)
    """CPU threads; 0 takes OMP_NUM_THREADS, or all cores."""
    max_tokens: int = Field(64, ge=1)
    """Longest action, in tokens."""
    attempts: int = Field(3, ge=1)
    """Tries for one generation before it is recorded as failed."""

    @field_validator("urls")
    @classmethod
    def _are_addresses(cls, urls: list[str]) -> list[str]:
        """Each without what is appended to it: a closing `/` or `/v1`."""
        plain = [url.strip().rstrip("/").removesuffix("/v1").rstrip("/") for url in urls]
        for given, url in zip(urls, plain, strict=True):
            _check_address(given, url)
        if len(set(plain)) < len(plain):
            raise ValueError("names an endpoint twice")
        return plain

    @model_validator(mode="after")
    def _urls_fit(self) -> "EngineSettings":
        if self.kind == "endpoints" and not self.urls:
            raise UserError(
                "engine.urls = []: engine.kind = 'endpoints' needs at least one, such as http://127.0.0.1:8000"
            )
        if self.kind != "endpoints" and self.urls:
            raise UserError(f"engine.urls = {self.urls}: only engine.kind = 'endpoints' reads them")
        return self


def _check_address(given: str, url: str) -> None:
    """`ValueError` on anything but http(s)://host[:port][/path]; what may hold a password is not repeated."""
    try:
        parts = urlsplit(url)
        port_fits = parts.port is None or parts.port > 0
    except ValueError as error:
        raise ValueError(f"{given!r} is no address: {error}") from None
    if parts.username is not None or parts.password is not None:
        # Not a ValueError, whose message would show the value.
        raise UserError(
            f"engine.urls: the address of {parts.hostname} holds a password, which settings must not; "
            "give it by the environment variable that engine.api_key_env names"
        )
    if parts.scheme not in ("http", "https") or not parts.hostname or not port_fits:
        raise ValueError(f"{given!r} is no address; it must look like http://host:8000")
    if parts.query or parts.fragment or any(character.isspace() for character in url):
        raise ValueError(f"{given!r} must be http://host:port, without anything behind it")


class TrainingSettings(Group):
    """What SFT and DPO have in common."""

    epochs: float = Field(3.0, gt=0)
    batch_size: int = Field(48, ge=1)
    """Rows in one optimiser step."""
    micro_batch_size: int = Field(0, ge=0)
    """Rows in one forward pass; 0 takes the whole batch."""
    learning_rate: float = Field(2e-5, gt=0)
    warmup: float = Field(0.03, ge=0, lt=1)
    """Share of the steps over which the learning rate rises."""
    schedule: Literal["cosine", "linear", "constant", "constant_with_warmup"] = "cosine"
    max_length: int = Field(2048, ge=32)
    """Longest row in tokens; longer ones are counted and named before training."""
    bf16: bool = False
    threads: int = Field(0, ge=0)
    checkpoints: int = Field(4, ge=1)
    """Checkpoints written over the training."""
    launcher: list[str] = Field(default_factory=list)
    """Words before `-m`: empty runs Python itself, `["accelerate", "launch"]` runs on many devices."""

    @model_validator(mode="after")
    def _micro_batches_fill_the_batch(self) -> "TrainingSettings":
        if self.micro_batch_size and self.batch_size % self.micro_batch_size:
            raise ValueError(
                f"micro_batch_size = {self.micro_batch_size} must divide batch_size = {self.batch_size}"
            )
        return self


class PretrainingSettings(TrainingSettings):
    """How the tiny model learns to read: next-token loss on every token of the demonstrations."""

    epochs: float = Field(2.0, gt=0)
    batch_size: int = Field(8, ge=1)
    learning_rate: float = Field(3e-3, gt=0)
    schedule: Literal["cosine", "linear", "constant", "constant_with_warmup"] = "constant_with_warmup"


class PolicySettings(Group):
    """The model to start from."""

    base: str = "tiny"
    """`tiny`, a folder, or a Hugging Face model name."""
    tiny: TinyModelSettings = TinyModelSettings()
    pretraining: PretrainingSettings = PretrainingSettings()


class SftSettings(TrainingSettings):
    """Fine-tuning on expert trajectories, loss on the agent's turns only."""


class DpoSettings(TrainingSettings):
    """Preference training on the pairs."""

    epochs: float = Field(3.0, gt=0)
    learning_rate: float = Field(3e-6, gt=0)
    schedule: Literal["cosine", "linear", "constant", "constant_with_warmup"] = "constant_with_warmup"
    warmup: float = Field(0.1, ge=0, lt=1)
    beta: float = Field(0.1, gt=0)
    nll: float = Field(0.0, ge=0)
    """Weight of the NLL term on the chosen action. IPR collapses without one."""


class ExploreSettings(Group):
    """The walk: how candidates are drawn, scored and stopped."""

    strategy: str = "rising"
    """How candidates are drawn and what is made of them: rising, fixed, ipr, eto, rft."""
    split: str = "train"
    tasks: int = Field(400, ge=1)
    fresh: bool = True
    """Explore tasks that SFT did not see, as long as there are any."""
    same_tasks: bool = False
    """Explore the same tasks in every iteration."""
    shard_tasks: int = Field(50, ge=1)
    """Tasks in one shard: the unit of resume and one Prefect task run."""
    max_candidates: int = Field(5, ge=1)
    """Most draws of a step; `fixed` always draws so many."""
    rollouts: int = Field(5, ge=1)
    """m: rollouts that score one candidate."""
    trajectories: int = Field(1, ge=1)
    """Whole trajectories a task that eto and rft play."""
    width: int = Field(1, ge=1)
    """Candidates that a step draws and scores at once, to use them in order: the same decisions sooner, for more
    tokens."""
    temperature: float = Field(1.0, gt=0)
    rollout_temperature: float = Field(1.0, ge=0)
    epsilon: float = Field(0.0, ge=0)
    """A candidate rises when its value exceeds the previous step's by more than this."""
    comparator: Literal[">", ">="] = ">"
    first_reference: Literal["rollouts", "zero"] = "rollouts"
    """Reference of the first step: mean outcome of m rollouts from the empty prefix, or 0."""
    contrast: bool = False
    """Where the first candidate already rises, draw on until one differs from it, so that a pair can follow."""
    duplicates: Literal["once", "again"] = "once"
    """Whether an action that was drawn before at this step keeps its value, or is scored again as published."""
    leave: Literal["never", "maximum", "agreed"] = "never"
    """When to end a walk early: where the previous value is the highest attainable, so that nothing can rise, or
    where all rollouts behind it ended alike, so that nothing tells one action from another."""
    reuse: bool = False
    """Let the chosen candidate's rollouts be the next step's first candidates, and pay for every draw once."""
    common: bool = False
    """Common random numbers: rollout k of every sibling draws its n-th action with the same seed, so that less of the
    difference between two values is luck."""
    early_stop: bool = False
    """Leave out rollouts that can change no decision. Needs `pairs.rejected = "lowest"`."""
    error_rate: float = Field(0.0, ge=0, le=0.5)
    """Stop scoring once a sequential test tells rising from not rising at this error rate; 0 never does."""
    in_flight: int = Field(0, ge=0)
    """Most tasks that walk at the same time; with 0 the engine's load alone decides."""
    ray: str = ""
    """The Ray cluster whose workers explore the shards: its head's `host:port`, or `auto` for RAY_ADDRESS, else the
    cluster this machine is a node of. Empty: this process explores them."""

    @field_validator("strategy")
    @classmethod
    def _strategy_is_known(cls, name: str) -> str:
        # Strategies need these settings, so they are looked up late.
        from rro.tasks.exploration.strategies import STRATEGIES

        if name not in STRATEGIES:
            raise ValueError(f"no such strategy; known: {', '.join(STRATEGIES)}")
        return name


class PairSettings(Group):
    """Which of the explored candidates become preference pairs."""

    tau: float = Field(0.01, ge=0)
    """A pair is kept when chosen minus rejected value exceeds this."""
    rejected: Literal["lowest", "first", "all", "random"] = "lowest"
    """Which worse sibling: lowest value, first drawn, every one, or one at random."""
    only_rising: bool = False
    """Keep only pairs whose chosen candidate rose."""
    only_valid: bool = False
    """Keep no pair whose chosen action the environment refused: such an action is better by chance alone."""
    ties: float = Field(0.0, ge=0)
    """At a step without a worse sibling, make a pair of two equal values above 0 whose rollouts differ by at least
    this many actions on average: the sooner is chosen. 0 makes none."""
    span: Literal["action", "suffix"] = "action"
    """What a pair compares: one action, or the action and all that followed it in its first rollout."""


class GateSettings(Group):
    """What exploration must have yielded before DPO may start."""

    min_pairs: int = Field(1, ge=0)
    min_margin: float = Field(0.0, ge=0)
    """Smallest mean margin of the kept pairs."""
    max_rollouts_per_pair: float = Field(0.0, ge=0)
    """Budget; 0 sets none."""
    max_generated_tokens: int = Field(0, ge=0)
    """Budget over the whole exploration; 0 sets none."""


class EvaluateSettings(Group):
    """Held-out tasks on which policies are compared."""

    split: str = "test"
    tasks: int = Field(200, ge=1)
    temperatures: list[float] = Field(default_factory=lambda: [0.0, 1.0])
    resamples: int = Field(10_000, ge=100)
    """Bootstrap resamples behind every interval."""

    @field_validator("temperatures")
    @classmethod
    def _usable(cls, value: list[float]) -> list[float]:
        if not value or min(value) < 0:
            raise ValueError("needs at least one temperature, each 0 or more")
        return value


class Settings(Group):
    """One run of the pipeline."""

    seed: int = Field(0, ge=0)
    iterations: int = Field(1, ge=1)
    """Rounds of explore, pairs, analyse, dpo, evaluate."""
    environment: EnvironmentSettings = Field(default_factory=EnvironmentSettings)
    experts: ExpertSettings = ExpertSettings()
    policy: PolicySettings = PolicySettings()
    engine: EngineSettings = EngineSettings()
    sft: SftSettings = SftSettings()
    explore: ExploreSettings = ExploreSettings()
    pairs: PairSettings = PairSettings()
    gate: GateSettings = GateSettings()
    dpo: DpoSettings = DpoSettings()
    evaluate: EvaluateSettings = EvaluateSettings()

    @model_validator(mode="after")
    def _expert_fits(self) -> "Settings":
        options = environment_class(self.environment.name).ExpertOptions
        check_options(options, self.experts.options, "experts.options")
        return self

    @model_validator(mode="after")
    def _lengths_fit(self) -> "Settings":
        engine, tiny = self.engine, self.policy.tiny
        if engine.max_tokens >= engine.max_model_len:
            raise UserError(
                f"engine.max_tokens = {engine.max_tokens}: must be less than engine.max_model_len = "
                f"{engine.max_model_len}, or no prompt fits"
            )
        if self.policy.base == "tiny" and engine.max_model_len > tiny.context:
            raise UserError(
                f"engine.max_model_len = {engine.max_model_len}: the tiny model reads at most "
                f"policy.tiny.context = {tiny.context} tokens"
            )
        return self

    @model_validator(mode="after")
    def _early_stop_fits(self) -> "Settings":
        if self.explore.early_stop and self.pairs.rejected != "lowest":
            raise UserError(
                f"pairs.rejected = {self.pairs.rejected!r}: with explore.early_stop only the lowest sibling has a "
                "value to the last rollout; take 'lowest', or switch explore.early_stop off"
            )
        return self

    def digest(self) -> str:
        """Short digest of every value: equal digests mean equal runs of one code version."""
        return digest(self.model_dump(mode="json"))


def digest(value: Any) -> str:
    """First 12 hex digits of the SHA-256 of a JSON value."""
    return hashlib.sha256(json.dumps(value, sort_keys=True).encode()).hexdigest()[:12]


def profile_names() -> list[str]:
    """Names of the profiles that ship with the package."""
    return sorted(
        p.name.removesuffix(".toml") for p in resource("profiles").iterdir() if p.name.endswith(".toml")
    )


def read_profile(name: str) -> dict[str, Any]:
    """A shipped profile by name, or a profile file by path, as plain values."""
    shipped = resource("profiles", f"{name}.toml")
    source = Path(name) if name.endswith(".toml") else shipped
    if not source.is_file():
        raise UserError(
            f"profile {name!r}: there is no such profile; shipped ones: {', '.join(profile_names())}; "
            "or give the path of a file that ends in .toml"
        )
    try:
        return tomllib.loads(source.read_text(encoding="utf-8"))
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise UserError(f"profile {name!r}: not a TOML file: {error}") from error


def merge(base: dict[str, Any], over: dict[str, Any]) -> dict[str, Any]:
    """`base` with the values of `over` laid on top, group by group."""
    merged = dict(base)
    for key, value in over.items():
        below = merged.get(key)
        merged[key] = merge(below, value) if isinstance(below, dict) and isinstance(value, dict) else value
    return merged


def load_settings(profile: str = "quickstart", overrides: dict[str, Any] | None = None) -> Settings:
    """A profile with overrides on top. Raises `UserError` that lists every bad key with its value."""
    return parse_settings(merge(read_profile(profile), overrides or {}))


def parse_settings(values: dict[str, Any]) -> Settings:
    """Plain values as `Settings`; `UserError` instead of pydantic's own error."""
    try:
        return Settings.model_validate(values)
    except ValidationError as error:
        raise UserError("\n".join(explain(item, Settings) for item in error.errors())) from error


def check_options(model: type[BaseModel], values: dict[str, Any], prefix: str) -> None:
    """Refuse options that an environment does not know, naming each with its full key."""
    try:
        model.model_validate(values)
    except ValidationError as error:
        raise UserError("\n".join(explain(item, model, prefix) for item in error.errors())) from error


def explain(item: Any, model: type[BaseModel], prefix: str = "") -> str:
    """One pydantic complaint as `key = value: what is allowed`."""
    key = ".".join([*([prefix] if prefix else []), *(str(part) for part in item["loc"])]) or "settings"
    if item["type"] == "extra_forbidden":
        known = known_keys(model, item["loc"])
        return (
            f"{key} = {item['input']!r}: there is no such setting; known, closest first: {', '.join(known)}"
        )
    message = item["msg"].removeprefix("Value error, ")
    return f"{key} = {item['input']!r}: {message[0].lower()}{message[1:]}"


def known_keys(model: type[BaseModel], location: tuple[str | int, ...]) -> list[str]:
    """The keys that stand where an unknown one was given, the closest first."""
    *groups, wrong = (str(part) for part in location)
    for group in groups:
        below = model.model_fields[group].annotation
        if isinstance(below, type) and issubclass(below, BaseModel):
            model = below
    return sorted(model.model_fields, key=lambda name: -SequenceMatcher(None, wrong, name).ratio())
