"""Written prompts, and prompts of vectors that are trained through the frozen language model."""

from __future__ import annotations

from dataclasses import replace

from tsprompt.recipes.base import Recipe, Settings

__all__ = ["SOFT"]

_TRAINED = Settings(
    tuner="gradient:epochs=20,patience=5",
    n_prompts=1,
    readout="mask",
)

_BY_A_NETWORK = replace(_TRAINED, tuner="gradient:epochs=20,patience=5,learning_rate=0.001")
"""The weights of a network bear smaller steps than vectors that are free."""

SOFT = (
    Recipe(
        "manual",
        "numbers as text inside a sentence that you write; nothing but the head is fitted",
        "PromptCast: Xue and Salim (2023)",
        Settings(
            tokenizer="digits",
            prompt="manual",
            tuner="none",
            n_prompts=1,
            readout="mask",
        ),
        mechanism="the values are written out as numbers inside a sentence, and the answer is read "
        "where the sentence has its gap",
        departures=(
            "a head classifies what is said at the gap, where the source lets an encoder-decoder "
            "write a forecast, because the task is another",
            "numbers are scaled and have no decimal point, as in LLMTime, because each token "
            "takes one of the few positions",
        ),
    ),
    Recipe(
        "prompt-tuning",
        "free vectors in the prompt slots, trained through the frozen model",
        "Lester et al. (2021)",
        replace(_TRAINED, prompt="soft"),
        mechanism="P vectors stand before and after the data, [P; X], and gradients of -log P(Y | "
        "[P; X]) change them alone, the model being frozen",
        departures=(
            "a head is fitted on the state at the mask, where T5 writes the class's name, because "
            "classes of series have no words",
            "16 vectors, NAdam and early stopping on a quarter of train, where the source has 100, "
            "Adafactor and 30,000 steps, because sets are small",
        ),
    ),
    Recipe(
        "soft-words",
        "the words of a sentence that you write, their embeddings trained",
        "Qin and Eisner (2021); templates of words after LM-BFF: Gao et al. (2021)",
        replace(_TRAINED, prompt="soft-words"),
        mechanism="the words of a template stand where they are, v_i = e(w_i) at first, and their "
        "embeddings are trained",
        departures=(
            "one template, where the source mixes several by trained weights, because you write "
            "one; --combination vote has several prompts vote",
            "vectors of the input alone, where the source may also shift all layers, because that "
            "is another recipe, p-tuning-v2",
            "a head is fitted on the state at the mask, where the source asks for the answer's "
            "word, because classes of series have none",
        ),
    ),
    Recipe(
        "optiprompt",
        "words found as AutoPrompt finds them, then their embeddings trained",
        "Zhong et al. (2021), OptiPrompt, started from a discrete search: Liu et al. (2023)",
        replace(
            _TRAINED,
            prompt="soft",
            tuner="optiprompt:epochs=20,patience=5",
            head="auto-words:scores=tied",
        ),
        mechanism="the slots' vectors start at the embeddings of the words that a trigger search "
        "has found, v_i = e(w_i), and are trained with the model frozen",
        departures=(
            "words for classes are chosen from data, where the paper's are its relations' answers, "
            "because classes of series have no words",
        ),
    ),
    Recipe(
        "p-tuning",
        "an LSTM and a perceptron write the vectors of the prompt slots",
        "Liu et al. (2021), GPT understands, too",
        replace(_BY_A_NETWORK, prompt="p-tuning"),
        mechanism="v_i = MLP([LSTM forwards(h_1..h_i) : LSTM backwards(h_i..h_P)]) of trained "
        "pseudo tokens h; once trained only the v are kept",
        departures=(
            "a head is fitted on the state at the mask, where the source asks for the answer's "
            "word, because classes of series have none",
            "no anchor words stand among the pseudo tokens, because the task has no words for them",
            "the model is frozen, as in the source's probing and not as in its SuperGLUE, because "
            "the prompt is what is compared; --train prompt+lm tunes both",
        ),
    ),
    Recipe(
        "prefix",
        "keys and values for every layer, written by a perceptron",
        "Li and Liang (2021)",
        replace(_BY_A_NETWORK, prompt="prefix"),
        mechanism="every layer attends to P' further keys and values, [k_i; v_i] = MLP(h_i) of one "
        "trained vector each; once trained only keys and values are kept",
        departures=(
            "an encoder is read at the mask and a head is fitted, where the source lets a decoder "
            "write, because the task is to classify",
            "16 tokens and 128 units, where the source has up to 200 and 512, because sets are "
            "small",
        ),
    ),
    Recipe(
        "p-tuning-v2",
        "keys and values for every layer, free parameters",
        "Liu et al. (2022)",
        replace(_TRAINED, prompt="p-tuning-v2"),
        mechanism="each layer attends to P' keys and values besides its own, which are parameters; "
        "with several in prompt_from, a trained prompt is compared by cos(mean(p), mean(q)) and "
        "training starts again from the most similar",
        departures=(
            "the head is a ridge on the state at the mask, where the paper has a linear classifier "
            "on [CLS], because the mask is what prompting recipes read",
        ),
    ),
)
